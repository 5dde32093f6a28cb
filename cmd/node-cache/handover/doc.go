// Package handover is the change from one agent on a node to the next, without a lost
// query.
//
// Both agents listen at the same addresses with SO_REUSEPORT. The new one attaches a
// program to the sockets (Steer) that sends all new packets and connections to it. Then it
// informs the old one (Peer) that it serves. The old one goes on with what it has, and at
// its end leaves the link and the addresses alone.
package handover
