package cases

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// GRPC is a Set over gRPC: the Open Inference Protocol's ModelInfer. Messages are
// written and read here field by field, since the harness shares no code with
// the server; a test holds the numbers to the protocol's own file.
type GRPC struct{ set *Set }

// GRPC returns the set as a service over gRPC, if its datatype can be sent so.
func (s *Set) GRPC() (*GRPC, error) {
	if _, _, err := contentsOf(s.Input.Datatype); err != nil {
		return nil, fmt.Errorf("input %q: %w", s.Input.Name, err)
	}
	return &GRPC{set: s}, nil
}

// inferMethod is the path of the protocol's call.
const inferMethod = "/inference.GRPCInferenceService/ModelInfer"

// Fields of the protocol's messages, by message.
const (
	requestModel, requestID, requestInputs = 1, 3, 5

	tensorName, tensorDatatype, tensorShape, tensorContents = 1, 2, 3, 5

	responseModel, responseVersion, responseID, responseOutputs, responseRaw = 1, 2, 3, 5, 6

	contentsBool, contentsInt, contentsInt64, contentsUint, contentsUint64, contentsFP32, contentsFP64 = 1, 2, 3, 4, 5, 6, 7
)

// framePrefix is what stands before a message: whether it is compressed, and its length.
const framePrefix = 5

// contentsOf returns the field of InferTensorContents that holds a datatype's
// elements, and the bytes of one in the raw form.
func contentsOf(datatype string) (field protowire.Number, size int, err error) {
	switch datatype {
	case "BOOL":
		return contentsBool, 1, nil
	case "INT8":
		return contentsInt, 1, nil
	case "INT16":
		return contentsInt, 2, nil
	case "INT32":
		return contentsInt, 4, nil
	case "INT64":
		return contentsInt64, 8, nil
	case "UINT8":
		return contentsUint, 1, nil
	case "UINT16":
		return contentsUint, 2, nil
	case "UINT32":
		return contentsUint, 4, nil
	case "UINT64":
		return contentsUint64, 8, nil
	case "FP32":
		return contentsFP32, 4, nil
	case "FP64":
		return contentsFP64, 8, nil
	}
	return 0, 0, fmt.Errorf("datatype %q cannot be used over gRPC: want BOOL, INT8 to INT64, UINT8 to UINT64, FP32 or FP64", datatype)
}

// Request implements Service.
func (g *GRPC) Request() Request {
	return Request{Method: http.MethodPost, Path: inferMethod, GRPC: true, Header: http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"},
	}}
}

// Size implements Service.
func (g *GRPC) Size() int { return g.set.Size() }

// Versions implements Service.
func (g *GRPC) Versions() []string { return g.set.Versions() }

// TellsVersion implements Service.
func (g *GRPC) TellsVersion() bool { return true }

// Batches implements Service.
func (g *GRPC) Batches(size, count int) ([]*Batch, error) {
	return g.set.batches(size, count, g.encode)
}

func (g *GRPC) encode(b *Batch) ([]byte, error) {
	s := g.set
	var shape, elements []byte
	shape = protowire.AppendVarint(shape, uint64(len(b.Rows)))
	shape = protowire.AppendVarint(shape, uint64(s.Input.Columns))
	field, _, err := contentsOf(s.Input.Datatype)
	if err != nil {
		return nil, err
	}
	for _, r := range b.Rows {
		for _, n := range s.Rows[r] {
			if elements, err = appendElement(elements, field, n); err != nil {
				return nil, fmt.Errorf("rows[%d]: %s: %w", r, s.Input.Datatype, err)
			}
		}
	}
	var input []byte
	input = appendBytes(input, tensorName, []byte(s.Input.Name))
	input = appendBytes(input, tensorDatatype, []byte(s.Input.Datatype))
	input = appendBytes(input, tensorShape, shape)
	input = appendBytes(input, tensorContents, appendBytes(nil, field, elements))
	message := make([]byte, framePrefix, framePrefix+len(input)+64)
	message = appendBytes(message, requestModel, []byte(s.Model))
	message = appendBytes(message, requestID, []byte(b.ID))
	message = appendBytes(message, requestInputs, input)
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-framePrefix))
	return message, nil
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

// appendElement appends a number in the packed form of its field.
func appendElement(b []byte, field protowire.Number, n json.Number) ([]byte, error) {
	switch field {
	case contentsFP32:
		f, err := strconv.ParseFloat(n.String(), 32)
		return protowire.AppendFixed32(b, math.Float32bits(float32(f))), err
	case contentsFP64:
		f, err := n.Float64()
		return protowire.AppendFixed64(b, math.Float64bits(f)), err
	case contentsUint, contentsUint64:
		u, err := strconv.ParseUint(n.String(), 10, 64)
		return protowire.AppendVarint(b, u), err
	}
	i, err := n.Int64()
	return protowire.AppendVarint(b, uint64(i)), err
}

// Check implements Service.
func (g *GRPC) Check(batch *Batch, header string, body []byte) (string, error) {
	message, err := unframe(body)
	if err != nil {
		return header, err
	}
	got, err := parseResponse(message)
	if err != nil {
		return header, fmt.Errorf("%w: not a ModelInferResponse: %w", ErrWrongAnswer, err)
	}
	return g.set.judge(batch, header, got)
}

// unframe returns the one message of an answer.
func unframe(body []byte) ([]byte, error) {
	if len(body) < framePrefix {
		return nil, fmt.Errorf("%w: %d bytes and no message", ErrShortBody, len(body))
	}
	if body[0] != 0 {
		return nil, fmt.Errorf("%w: a compressed message, which was not asked for", ErrWrongAnswer)
	}
	length := uint64(binary.BigEndian.Uint32(body[1:]))
	message := body[framePrefix:]
	switch {
	case uint64(len(message)) < length:
		return nil, fmt.Errorf("%w: the message ends after %d of %d bytes", ErrShortBody, len(message), length)
	case uint64(len(message)) > length:
		return nil, fmt.Errorf("%w: %d bytes after the message", ErrWrongAnswer, uint64(len(message))-length)
	}
	return message, nil
}

// fields calls each with every field of a message: its number, its type and its
// value, which is the bytes of a field that has a length and otherwise the
// field's as it was sent.
func fields(message []byte, each func(field protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if field > protowire.MaxValidNumber { // which a client's generated code refuses
			return fmt.Errorf("field %d: want %d or less", field, protowire.MaxValidNumber)
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(field, kind, message)
		if size < 0 {
			return fmt.Errorf("field %d: %w", field, protowire.ParseError(size))
		}
		value := message[:size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value) // whole: ConsumeFieldValue has found its end
		}
		if err := each(field, kind, value); err != nil {
			return fmt.Errorf("field %d: %w", field, err)
		}
		message = message[size:]
	}
	return nil
}

var errType = errors.New("another type than the protocol's")

// parseResponse reads a ModelInferResponse, whose tensors are decoded when they
// are asked for.
func parseResponse(message []byte) (*prediction, error) {
	a := &prediction{}
	var raw [][]byte
	err := fields(message, func(field protowire.Number, kind protowire.Type, value []byte) error {
		if field >= responseModel && field <= responseRaw && kind != protowire.BytesType {
			return errType
		}
		switch field {
		case responseModel:
			a.model = string(value)
		case responseVersion:
			a.version = string(value)
		case responseID:
			a.id = string(value)
		case responseOutputs:
			return a.addOutput(value)
		case responseRaw:
			raw = append(raw, value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return a, nil
	}
	if len(raw) != len(a.outputs) {
		return nil, fmt.Errorf("%d outputs with raw contents of %d", len(a.outputs), len(raw))
	}
	for i := range a.outputs {
		datatype, data := a.outputs[i].datatype, raw[i]
		a.outputs[i].numbers = func() ([]float64, error) { return rawNumbers(datatype, data) }
	}
	return a, nil
}

func (a *prediction) addOutput(message []byte) error {
	t := tensor{}
	var contents [][]byte
	err := fields(message, func(field protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case field == tensorShape:
			return varints(kind, value, func(v uint64) { t.shape = append(t.shape, int(v)) })
		case field > tensorContents:
			return nil
		case kind != protowire.BytesType:
			return errType
		case field == tensorName:
			t.name = string(value)
		case field == tensorDatatype:
			t.datatype = string(value)
		case field == tensorContents:
			contents = append(contents, value)
		}
		return nil
	})
	t.numbers = func() ([]float64, error) { return typedNumbers(t.datatype, contents) }
	a.outputs = append(a.outputs, t)
	return err
}

// varints calls each with the numbers of a repeated field, packed or not.
func varints(kind protowire.Type, value []byte, each func(uint64)) error {
	if kind != protowire.BytesType && kind != protowire.VarintType {
		return errType
	}
	for len(value) > 0 {
		v, n := protowire.ConsumeVarint(value)
		if n < 0 {
			return protowire.ParseError(n)
		}
		each(v)
		value = value[n:]
	}
	return nil
}

// typedNumbers returns the elements of InferTensorContents.
func typedNumbers(datatype string, contents [][]byte) ([]float64, error) {
	want, _, err := contentsOf(datatype)
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, message := range contents {
		err := fields(message, func(field protowire.Number, kind protowire.Type, value []byte) error {
			if field != want {
				return nil
			}
			switch field {
			case contentsFP32:
				return fixed(kind, protowire.Fixed32Type, value, 4, func(b []byte) {
					out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
				})
			case contentsFP64:
				return fixed(kind, protowire.Fixed64Type, value, 8, func(b []byte) {
					out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
				})
			case contentsUint, contentsUint64:
				return varints(kind, value, func(v uint64) { out = append(out, float64(v)) })
			}
			return varints(kind, value, func(v uint64) { out = append(out, float64(int64(v))) })
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fixed calls each with the elements of a repeated field of fixed size, packed or not.
func fixed(kind, single protowire.Type, value []byte, size int, each func([]byte)) error {
	if kind != protowire.BytesType && kind != single {
		return errType
	}
	if len(value)%size != 0 {
		return fmt.Errorf("%d bytes of elements of %d", len(value), size)
	}
	for ; len(value) > 0; value = value[size:] {
		each(value[:size])
	}
	return nil
}

// rawNumbers returns the elements of raw_output_contents: little-endian, without padding.
func rawNumbers(datatype string, data []byte) ([]float64, error) {
	_, size, err := contentsOf(datatype)
	if err != nil {
		return nil, err
	}
	if len(data)%size != 0 {
		return nil, fmt.Errorf("%d bytes of %s", len(data), datatype)
	}
	out := make([]float64, 0, len(data)/size)
	for ; len(data) > 0; data = data[size:] {
		var wide [8]byte
		copy(wide[:], data[:size])
		u := binary.LittleEndian.Uint64(wide[:])
		switch datatype {
		case "FP32":
			out = append(out, float64(math.Float32frombits(uint32(u))))
		case "FP64":
			out = append(out, math.Float64frombits(u))
		case "INT8", "INT16", "INT32", "INT64":
			shift := 64 - 8*size
			out = append(out, float64(int64(u<<shift)>>shift))
		default:
			out = append(out, float64(u))
		}
	}
	return out, nil
}
