// Package handover is the change from one agent on a node to the next, without a lost query.
//
// Both agents listen at the same addresses with SO_REUSEPORT. The new agent attaches a program to
// the sockets (Steer) that sends all new packets and connections to it. Then it reports to the old
// agent (Peer) that it serves. The old agent finishes its pending queries, and does not remove the
// link and the addresses when it exits.
package handover
