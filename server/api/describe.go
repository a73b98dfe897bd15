package api

import (
	"net/http"

	"rollproof/model"
	"rollproof/server/inference"
	"rollproof/server/repository"
)

// The protocol's answers that are not inference.
type (
	health struct {
		Live bool `json:"live"`
	}
	// readiness has two names for the same: the specification calls it live, and those
	// who answer the protocol call it ready.
	readiness struct {
		Ready  bool   `json:"ready"`
		Live   bool   `json:"live"`
		Error  string `json:"error,omitempty"`
		Reason string `json:"reason,omitempty"`
		// Versions are those that are not ready.
		Versions []indexEntry `json:"not_ready,omitempty"`
	}
	modelHealth struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		Ready   bool   `json:"ready"`
		Error   string `json:"error,omitempty"`
		Reason  string `json:"reason,omitempty"`
	}
	serverMetadata struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}
	modelMetadata struct {
		Name     string           `json:"name"`
		Versions []string         `json:"versions"`
		Platform string           `json:"platform"`
		Inputs   []tensorMetadata `json:"inputs"`
		Outputs  []tensorMetadata `json:"outputs"`
	}
	tensorMetadata struct {
		Name     string  `json:"name"`
		Datatype string  `json:"datatype"`
		Shape    []int64 `json:"shape"`
		// Parameters are beyond the protocol, which has them elsewhere; nil if there are none.
		Parameters *tensorParameters `json:"parameters,omitempty"`
	}
	tensorParameters struct {
		// Labels say what the indices of the last dimension stand for.
		Labels []string `json:"labels"`
	}
)

// extensions of the protocol: binary tensors, and of the model repository its index.
var extensions = []string{"binary_tensor_data", "model_repository(index)"}

// describeServer answers /v2.
func (h *Handler) describeServer() answer {
	return jsonAnswer(serverMetadata{Name: "rollproof", Version: h.Version, Extensions: extensions}, nil)
}

// ready answers the readiness probe. A version that could not be loaded is named, but
// does not make the server not ready while others answer: a bad new version must not
// take the old one away.
func (h *Handler) ready() answer {
	ready, why := h.Ready()
	body := readiness{Ready: ready, Error: why}
	any := false
	for _, s := range h.Service.Models.Status() {
		if s.State == repository.Ready {
			any = true
			continue
		}
		body.Versions = append(body.Versions, newIndexEntry(s))
	}
	if ready && !any {
		body.Ready, body.Error = false, "no version of any model is ready"
	}
	body.Live = body.Ready
	if body.Ready {
		body.Error = ""
		return jsonAnswer(body, nil)
	}
	body.Reason = reasonNotReady
	a := jsonAnswer(body, nil)
	a.status = http.StatusServiceUnavailable
	return a
}

// notReady answers the readiness of a model that is there but not loaded; false if
// there is no such model or version at all.
func (h *Handler) notReady(to route) (answer, bool) {
	for _, s := range h.Service.Models.Status() {
		if s.Name != to.model || (to.version != "" && s.Version != to.version) || s.State == repository.Ready {
			continue
		}
		e := newIndexEntry(s)
		why := "the version is " + string(s.State)
		if e.Why != "" {
			why += ": " + e.Why
		}
		a := jsonAnswer(modelHealth{Name: e.Name, Version: e.Version, Error: why, Reason: reasonNotReady}, nil)
		a.status = http.StatusServiceUnavailable
		return a, true
	}
	return answer{}, false
}

// describeModel answers for one model; versioned if the request names a version.
func (h *Handler) describeModel(m *repository.Entry, versioned bool) answer {
	versions := []string{m.Version}
	if !versioned {
		versions = h.Service.Models.Versions(m.Name)
	}
	return jsonAnswer(modelMetadata{
		Name:     m.Name,
		Versions: versions,
		Platform: inference.Platform(m.Format),
		Inputs:   describe(m.Inputs),
		Outputs:  describe(m.Outputs),
	}, m)
}

// describe is tensors' metadata.
func describe(tensors []model.Tensor) []tensorMetadata {
	list := make([]tensorMetadata, len(tensors))
	for i, t := range tensors {
		shape := t.Shape
		if shape == nil {
			shape = []int64{}
		}
		list[i] = tensorMetadata{Name: t.Name, Datatype: string(t.Datatype), Shape: shape}
		if len(t.Labels) > 0 {
			list[i].Parameters = &tensorParameters{t.Labels}
		}
	}
	return list
}
