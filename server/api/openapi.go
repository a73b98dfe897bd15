package api

import (
	"bytes"
	_ "embed" // openapi.json
	"encoding/json"
	"net/http"
	"strings"

	"rollproof/model"
)

// described is the description of all routes. What depends on the loaded models is put
// in when it is asked for.
//
//go:embed openapi.json
var described []byte

// describeAPI answers /openapi.json: the routes, and for each loaded model its own with
// its inputs, outputs and an example.
func (h *Handler) describeAPI() answer {
	var doc map[string]any
	decoder := json.NewDecoder(bytes.NewReader(described))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		return problemAnswer(newProblem(http.StatusInternalServerError, reasonInternal, "openapi.json: %v", err), nil)
	}
	if info, ok := doc["info"].(map[string]any); ok {
		info["version"] = h.Version
	}
	if paths, ok := doc["paths"].(map[string]any); ok {
		for _, name := range h.Service.Models.Names() {
			entry, err := h.Service.Models.Acquire(name, "")
			if err != nil {
				continue // unloaded just now
			}
			describePaths(paths, &entry.Model)
			entry.Release()
		}
	}
	return jsonAnswer(doc, nil)
}

// object is a JSON object of the description.
type object = map[string]any

// describePaths puts a model's own routes into paths.
func describePaths(paths object, m *model.Model) {
	infer := operation(paths, "/v2/models/{model}/infer", m.Name)
	infer["description"] = "Inputs: " + sentence(m.Inputs) + ". Outputs: " + sentence(m.Outputs) + "."
	infer["operationId"] = "infer_" + m.Name
	body := jsonContent(object{
		"allOf": []any{object{"$ref": "#/components/schemas/InferenceRequest"}},
	}, exampleInference(m))
	binaryContent(body, infer["requestBody"])
	infer["requestBody"] = body
	paths["/v2/models/"+m.Name+"/infer"] = object{"parameters": headers(paths, "/v2/models/{model}/infer"), "post": infer}
	if !rowed(m.Inputs) {
		return
	}
	predict := operation(paths, "/v1/models/{model}:predict", m.Name)
	predict["description"] = infer["description"]
	predict["operationId"] = "predict_" + m.Name
	predict["requestBody"] = jsonContent(object{
		"allOf": []any{object{"$ref": "#/components/schemas/PredictRequest"}},
	}, examplePlain(m))
	paths["/v1/models/"+m.Name+":predict"] = object{"post": predict}
}

// operation is a copy of the POST of a route for the one model.
func operation(paths object, path, name string) object {
	own := object{}
	if item, ok := paths[path].(object); ok {
		if post, ok := item["post"].(object); ok {
			for k, v := range post {
				own[k] = v
			}
		}
	}
	own["summary"] = "Predict with " + name
	return own
}

// headers are the parameters of a route that are headers.
func headers(paths object, path string) []any {
	list := []any{}
	item, _ := paths[path].(object)
	all, _ := item["parameters"].([]any)
	for _, each := range all {
		if p, ok := each.(object); ok && p["in"] == "header" {
			list = append(list, p)
		}
	}
	return list
}

// binaryContent gives a request's body the binary form that another has beside its JSON.
func binaryContent(body object, of any) {
	const form = "application/octet-stream"
	general, _ := of.(object)
	from, _ := general["content"].(object)
	if to, ok := body["content"].(object); ok && from[form] != nil {
		to[form] = from[form]
	}
}

// jsonContent is a request's body.
func jsonContent(schema object, example any) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema, "example": example}}}
}

// sentence lists tensors for people.
func sentence(tensors []model.Tensor) string {
	parts := make([]string, len(tensors))
	for i, t := range tensors {
		shape := strings.TrimSuffix(shapeWanted(t.Shape), " with n of 1 or more")
		parts[i] = t.Name + " " + string(t.Datatype) + " " + shape
	}
	return strings.Join(parts, ", ")
}

// rowed says whether all tensors have rows.
func rowed(tensors []model.Tensor) bool {
	for _, t := range tensors {
		if len(t.Shape) == 0 || t.Shape[0] != model.Any {
			return false
		}
	}
	return true
}

// exampleInference is one row for a model.
func exampleInference(m *model.Model) object {
	inputs := make([]any, len(m.Inputs))
	for i, t := range m.Inputs {
		shape := exampleShape(t.Shape)
		n, _ := count(shape, mostExample)
		data := make([]any, n)
		for j := range data {
			data[j] = exampleElement(t.Datatype)
		}
		inputs[i] = object{"name": t.Name, "shape": shape, "datatype": t.Datatype, "data": data}
	}
	return object{"inputs": inputs}
}

// mostExample is how many elements an example has at most; one with more has none.
const mostExample = 4096

// exampleShape is the shape of one row.
func exampleShape(shape []int64) []int64 {
	own := make([]int64, len(shape))
	for i, size := range shape {
		own[i] = max(size, 1)
		if size == 0 {
			own[i] = 0
		}
	}
	return own
}

// exampleElement is an element of a datatype.
func exampleElement(d model.Datatype) any {
	switch d {
	case model.Bytes:
		return "text"
	case model.Bool:
		return true
	case model.FP16, model.BF16, model.FP32, model.FP64:
		return 0.5
	}
	return 1
}

// examplePlain is one row for a model, in the plain protocol.
func examplePlain(m *model.Model) object {
	row := object{}
	for _, t := range m.Inputs {
		row[t.Name] = nest(exampleShape(t.Shape[1:]), t.Datatype)
	}
	if len(m.Inputs) == 1 {
		return object{"instances": []any{row[m.Inputs[0].Name]}}
	}
	return object{"instances": []any{row}}
}

// nest is example elements in arrays of the given sizes.
func nest(sizes []int64, d model.Datatype) any {
	if _, ok := count(sizes, mostExample); len(sizes) == 0 || !ok {
		return exampleElement(d)
	}
	list := make([]any, sizes[0])
	for i := range list {
		list[i] = nest(sizes[1:], d)
	}
	return list
}
