package main

import (
	"encoding/json"
	"fmt"
	"io"

	"rollproof/model"
)

// greet prints how to try the model, where it is one that a person named.
func (a *assembly) greet(out io.Writer, address string, secure bool) error {
	if a.Model == "" {
		return nil
	}
	e, err := a.service.Models.Acquire(a.Name, "")
	if err != nil {
		return err
	}
	defer e.Release()
	instance, err := json.Marshal(example(e.Inputs))
	if err != nil {
		return err
	}
	scheme, flag := "http", ""
	if secure {
		scheme, flag = "https", " --cacert CA.pem"
	}
	if a.keys != nil {
		flag += " -H 'Authorization: Bearer KEY'"
	}
	_, err = fmt.Fprintf(out, "%s is served. Try it:\n\ncurl -s%s %s://%s/v1/models/%s:predict -d '{\"instances\":[%s]}'\n\n",
		a.Name, flag, scheme, address, a.Name, instance)
	return err
}

// openWidth is how many elements an example has where the model leaves the size open.
const openWidth = 1

// example is one row that the inputs take, all zeros and empty texts: of one input its
// elements, of several an object.
func example(inputs []model.Tensor) any {
	row := map[string]any{}
	for _, t := range inputs {
		row[t.Name] = zeros(t.Datatype, t.Shape[min(1, len(t.Shape)):])
	}
	if len(inputs) == 1 {
		return row[inputs[0].Name]
	}
	return row
}

// zeros is nested lists of the shape.
func zeros(d model.Datatype, shape []int64) any {
	if len(shape) == 0 {
		switch d {
		case model.Bytes:
			return ""
		case model.Bool:
			return false
		}
		return 0
	}
	size := shape[0]
	if size == model.Any {
		size = openWidth
	}
	list := make([]any, size)
	for i := range list {
		list[i] = zeros(d, shape[1:])
	}
	return list
}
