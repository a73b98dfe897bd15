package api

import (
	"net/http"

	"rollproof/model"
)

// The protocol's answers that are not inference.
type (
	health struct {
		Live bool `json:"live"`
	}
	readiness struct {
		Ready  bool   `json:"ready"`
		Error  string `json:"error,omitempty"`
		Reason string `json:"reason,omitempty"`
	}
	modelHealth struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Ready   bool   `json:"ready"`
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
	}
)

// describeServer answers /v2.
func (h *Handler) describeServer() answer {
	return jsonAnswer(serverMetadata{Name: "rollproof", Version: h.Version, Extensions: []string{}}, nil)
}

// ready answers the readiness probe.
func (h *Handler) ready() answer {
	ready, why := h.Ready()
	if ready {
		return jsonAnswer(readiness{Ready: true}, nil)
	}
	a := jsonAnswer(readiness{Error: why, Reason: reasonNotReady}, nil)
	a.status = http.StatusServiceUnavailable
	return a
}

// describeModel answers for one model; versioned if the request names a version.
func (h *Handler) describeModel(m *model.Model, versioned bool) answer {
	versions := []string{m.Version}
	if !versioned {
		versions = h.Models.Versions(m.Name)
	}
	return jsonAnswer(modelMetadata{
		Name:     m.Name,
		Versions: versions,
		Platform: m.Format,
		Inputs:   []tensorMetadata{describe(m.Input)},
		Outputs:  []tensorMetadata{describe(m.Label), describe(m.Probabilities)},
	}, m)
}

// describe is a tensor's metadata.
func describe(t model.Tensor) tensorMetadata {
	return tensorMetadata{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape}
}
