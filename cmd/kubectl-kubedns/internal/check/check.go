// Package check finds what is wrong with a kube-dns from facts about it. It reads nothing.
package check
