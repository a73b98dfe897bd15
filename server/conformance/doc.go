// Package conformance holds the server, as the binary that is shipped, against clients
// that nobody here wrote: grpcurl, ghz, curl and Chromium. It has tests alone; what each
// part of the server does by itself is tested beside it.
package conformance
