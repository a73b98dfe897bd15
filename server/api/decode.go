package api

// decoder reads one request for one model.
type decoder struct {
	scanner
	*request
	codec   *codec
	maxRows int
	// body is all of the body, binary what has not been read of the part behind the JSON.
	body, binary []byte
	// plain is true for the plain protocol, in which a value needs no array around it
	// where there is one element.
	plain bool
	// common are the request's own parameters, seen says whether they have been read.
	common parameters
	seen   bool
	// scout passes over everything but the request's own parameters.
	scout bool
}

// limits bound a request.
type limits struct{ rows int }

// decodeInference reads a request of the inference protocol into r. The first header
// bytes of the body are JSON, the rest are binary tensors. Every problem says where.
func decodeInference(body []byte, header int, c *codec, l limits, r *request) *problem {
	d := decoder{
		scanner: scanner{data: body[:header]}, request: r, codec: c, maxRows: l.rows, body: body, binary: body[header:],
	}
	return d.read(d.inference)
}

// read reads the request by the given function, and a second time if it turns out that
// a null was read before the parameters that allow it.
func (d *decoder) read(by func() *problem) *problem {
	p := d.once(by)
	if p != nil && p.null && !d.seen {
		d.scout = true
		binary := d.body[len(d.data):]
		d.at = 0
		if d.once(by) == nil && d.common.missing {
			d.scout, d.at, d.binary = false, 0, binary
			p = d.once(by)
		}
	}
	if p != nil && p.path == "" {
		p.path = "the body"
	}
	return p
}

// once reads the request by the function, and that nothing is behind it.
func (d *decoder) once(by func() *problem) *problem {
	d.reset(d.codec.model)
	if p := by(); p != nil {
		return p
	}
	return d.end()
}

// The fields of the inference protocol. A client's library may send the model's name
// and version too, which the path decides.
var (
	requestFields = []string{"id", "inputs", "outputs", "parameters", "model_name", "model_version"}
	inputFields   = []string{"name", "shape", "datatype", "data", "parameters"}
	outputFields  = []string{"name", "parameters"}
)

// inference reads the request object.
func (d *decoder) inference() *problem {
	_, p := d.object(requestFields, func(field int) (p *problem) {
		switch {
		case d.scout && field != 3:
			return d.skip()
		case field == 0:
			return d.identifier()
		case field == 1:
			return d.list("an array", d.input)
		case field == 2:
			return d.list("an array", d.output)
		case field == 3:
			d.common, p = d.parameters(ofRequest)
			d.seen = true
			return p
		default:
			_, p = d.text()
			return p
		}
	})
	if p != nil || d.scout {
		return p
	}
	if p := d.complete("inputs"); p != nil {
		return p
	}
	d.settleWants()
	if len(d.binary) > 0 {
		return badRequest(reasonInvalidBinary,
			"%d bytes are behind the binary data of the inputs, want as many as their binary_data_size says", len(d.binary))
	}
	return nil
}

// identifier reads the request's id, which goes into the answer as it stands.
func (d *decoder) identifier() *problem {
	start := d.at
	raw, escaped, p := d.raw()
	if p == nil && escaped { // checks the escapes
		d.at = start
		_, p = d.text()
	}
	d.id = raw
	return p
}

// complete checks that every input was given.
func (d *decoder) complete(place string) *problem {
	for i, given := range d.given {
		if !given {
			return badRequest(reasonMissingInput, "input %q is not given, want all of %q", d.codec.inputNames[i], d.codec.inputNames).in(place)
		}
	}
	if d.rows == 0 {
		d.rows = 1 // no input has rows
	}
	return nil
}

// settleWants wants all outputs if none is named, and gives them the request's own
// parameters.
func (d *decoder) settleWants() {
	if len(d.wants) == 0 {
		for i := range d.codec.outputNames {
			d.wants = append(d.wants, want{output: i})
		}
	}
	for i := range d.wants {
		w := &d.wants[i]
		w.nulls = w.nulls || d.common.missing
		if !w.set {
			w.binary = d.common.binary
		}
	}
}

// output reads one wanted output.
func (d *decoder) output(int) *problem {
	w := want{output: -1}
	var read parameters
	fields, p := d.object(outputFields, func(field int) (p *problem) {
		if field == 1 {
			read, p = d.parameters(ofOutput)
			return p
		}
		name, p := d.text()
		if p != nil {
			return p
		}
		at, ok := d.codec.outputs[string(name)]
		if !ok {
			return badRequest(reasonUnknownOutput, "no output %s, want one of %q", quoted(name), d.codec.outputNames)
		}
		for _, other := range d.wants {
			if other.output == at {
				return badRequest(reasonDuplicateOutput, "output %q is asked for twice", name)
			}
		}
		w.output = at
		return nil
	})
	if p != nil {
		return p
	}
	if fields&1 == 0 {
		return badRequest(reasonMissingField, "missing, want an output's name").in("name")
	}
	w.binary, w.set, w.nulls = read.binary, read.binarySet, read.missing
	d.wants = append(d.wants, w)
	return nil
}
