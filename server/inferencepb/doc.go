// Package inferencepb holds the Open Inference Protocol's gRPC messages and service:
// the .proto file and the code that `make proto` generates of it. How they are answered
// is in server/grpcapi.
package inferencepb
