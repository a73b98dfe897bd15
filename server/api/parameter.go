package api

// parameters are those of a request, an input or an output that mean something here.
// The protocol lets a client send any: others are passed over.
type parameters struct {
	// binary and binarySet are binary_data_output of a request, binary_data of an output.
	binary, binarySet bool
	// size is binary_data_size of an input, -1 if it has none.
	size int64
	// missing is true for "missing": "null": a null stands for a missing value.
	missing bool
}

// level is what parameters are of.
type level uint8

const (
	ofRequest level = iota
	ofInput
	ofOutput
)

// parameters reads an object of parameters.
func (d *decoder) parameters(of level) (parameters, *problem) {
	read := parameters{size: -1}
	missingSeen := false
	if c := d.peek(); c != '{' {
		return read, d.unexpected("an object")
	}
	p := d.members(func(key []byte) (p *problem) {
		twice := false
		switch name := string(key); {
		case name == "missing":
			twice, missingSeen = missingSeen, true
			read.missing, p = d.missing()
		case name == "binary_data_output" && of == ofRequest, name == "binary_data" && of == ofOutput:
			twice, read.binarySet = read.binarySet, true
			read.binary, p = d.flag()
		case name == "binary_data_size" && of == ofInput:
			twice = read.size >= 0
			if read.size, p = d.integer(); p == nil && read.size < 0 {
				p = badRequest(reasonInvalidValue, "%d, want a number of bytes", read.size)
			}
		case name == "classification" && of == ofOutput:
			p = badRequest(reasonUnsupportedParameter,
				"not supported; ask for the output as it is, its largest value is the likeliest class")
		case name == "shared_memory_region" && of != ofRequest:
			p = badRequest(reasonUnsupportedParameter,
				"not supported; send the data in the body, as JSON or binary")
		default:
			p = d.skip()
		}
		if p == nil && twice {
			p = badRequest(reasonDuplicateField, "given twice")
		}
		return p.in(printable(key))
	})
	return read, p
}

// missing reads the value of the parameter "missing".
func (d *decoder) missing() (bool, *problem) {
	text, p := d.text()
	if p == nil && string(text) != "null" {
		p = badRequest(reasonInvalidValue, `%s, want "null"`, quoted(text))
	}
	return p == nil, p
}
