package fake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"rollproof/loadtest/attack"
)

// grpcMethod is the one call that the server takes over gRPC.
const grpcMethod = "/inference.GRPCInferenceService/ModelInfer"

// isGRPC tells whether a request is a gRPC call.
func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// serveGRPC answers a ModelInfer call as ServeHTTP does a POST.
func (s *Server) serveGRPC(w http.ResponseWriter, r *http.Request, fault Fault) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Trailer", "Grpc-Status, Grpc-Message")
	fail := func(code int, message string) {
		h.Set("Grpc-Status", strconv.Itoa(code))
		h.Set("Grpc-Message", message)
	}
	if r.URL.Path != grpcMethod || r.Header.Get("Te") != "trailers" {
		fail(12, "want "+grpcMethod)
		return
	}
	id, shape, data, err := readInfer(r.Body)
	if err != nil {
		fail(3, err.Error())
		return
	}
	header, named, answers := s.names(fault)
	h.Set(attack.VersionHeader, header)
	switch fault {
	case Close, Reset:
		panic(http.ErrAbortHandler) // resets the stream
	case Hang:
		hang(r.Context())
	case Status500:
		fail(13, "broken%20on demand")
		return
	}
	message, err := s.message(id, shape, data, named, answers)
	if err != nil {
		fail(3, err.Error())
		return
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	frame = append(frame, message...)
	if fault == Short || fault == CutJSON || fault == HangInBody {
		frame = frame[:len(frame)/2]
	}
	// A client that has gone is what some tests are about.
	_, _ = w.Write(frame)
	if fault == HangInBody {
		_ = http.NewResponseController(w).Flush()
		hang(r.Context())
	}
	if fault != Short {
		h.Set("Grpc-Status", "0")
	}
}

// readInfer reads a framed ModelInferRequest of FP32 contents.
func readInfer(r io.Reader) (id string, shape []int, data []float32, err error) {
	frame, err := io.ReadAll(r)
	if err != nil {
		return "", nil, nil, err
	}
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-5 {
		return "", nil, nil, errors.New("not one message")
	}
	top, err := fields(frame[5:])
	if err != nil {
		return "", nil, nil, err
	}
	input, err := fields(top[5])
	if err != nil {
		return "", nil, nil, err
	}
	for rest := input[3]; len(rest) > 0; {
		n, size := protowire.ConsumeVarint(rest)
		if size < 0 {
			return "", nil, nil, protowire.ParseError(size)
		}
		shape, rest = append(shape, int(n)), rest[size:]
	}
	contents, err := fields(input[5])
	if err != nil {
		return "", nil, nil, err
	}
	for rest := contents[6]; len(rest) >= 4; rest = rest[4:] {
		data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(rest)))
	}
	return string(top[3]), shape, data, nil
}

// fields returns a message's fields that have a length, the last of each number.
func fields(message []byte) (map[protowire.Number][]byte, error) {
	out := map[protowire.Number][]byte{}
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if kind != protowire.BytesType {
			return nil, fmt.Errorf("field %d has type %d", field, kind)
		}
		value, size := protowire.ConsumeBytes(message[n:])
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		out[field], message = value, message[n+size:]
	}
	return out, nil
}

// message returns the ModelInferResponse of a request. Labels are sent as typed
// contents and probabilities too, unless raw has been asked for.
func (s *Server) message(id string, shape []int, data []float32, named, answers string) ([]byte, error) {
	labels, probabilities, err := lookup(s, s.floats, shape, data, floatKey, answers)
	if err != nil {
		return nil, err
	}
	bytesField := func(b []byte, field protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
	}
	output := func(name, datatype string, contents protowire.Number, elements []byte, shape ...int) []byte {
		var dims []byte
		for _, d := range shape {
			dims = protowire.AppendVarint(dims, uint64(d))
		}
		out := bytesField(nil, 1, []byte(name))
		out = bytesField(out, 2, []byte(datatype))
		out = bytesField(out, 3, dims)
		if s.raw {
			return out
		}
		return bytesField(out, 5, bytesField(nil, contents, elements))
	}
	var packed, raws, floats []byte
	for _, l := range labels {
		packed = protowire.AppendVarint(packed, uint64(l))
		raws = binary.LittleEndian.AppendUint64(raws, uint64(l))
	}
	for _, p := range probabilities {
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(p)))
	}
	m := bytesField(nil, 1, []byte(s.set.Model))
	m = bytesField(m, 2, []byte(named))
	m = bytesField(m, 3, []byte(id))
	m = bytesField(m, 5, output(s.set.Outputs.Label, "INT64", 3, packed, len(labels)))
	m = bytesField(m, 5, output(s.set.Outputs.Probabilities, "FP32", 6, floats, len(labels), len(probabilities)/len(labels)))
	if s.raw {
		m = bytesField(m, 6, raws)
		m = bytesField(m, 6, floats)
	}
	return m, nil
}

func floatKey(row []float32) string { return fmt.Sprint(row) }
