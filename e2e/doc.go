// Package e2e holds the tests that need the real thing: Docker, clusters, the
// Pulumi engine and its providers, and the harness's binary. `make e2e` sets
// all of it up and runs them; nothing here is part of a program.
//
// Each test has a Pulumi state, a cluster name and a port of its own, so that
// the stack in the checkout is left as it is. What a test needs of the program
// under test is its command line, as a person would type it.
package e2e
