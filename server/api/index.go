package api

import (
	"net/http"

	"rollproof/server/repository"
)

// indexEntry is a version in the index of the repository
// (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md).
type indexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Why     string `json:"reason"`
}

func newIndexEntry(s repository.Status) indexEntry {
	state := map[repository.State]string{
		repository.Loading: "LOADING", repository.Ready: "READY",
		repository.Failed: "UNAVAILABLE", repository.Unloading: "UNLOADING",
	}[s.State]
	return indexEntry{Name: s.Name, Version: s.Version, State: state, Why: s.Reason}
}

// index answers which versions there are and how they do.
func (h *Handler) index(w http.ResponseWriter, r *http.Request, s *scratch) answer {
	defer h.release(s)
	if p := h.readBody(w, r, s); p != nil {
		a := problemAnswer(p, nil)
		a.unread = true
		return a
	}
	onlyReady := false
	if len(s.body) > 0 {
		read := scanner{data: s.body}
		_, p := read.object([]string{"ready"}, func(int) (p *problem) {
			onlyReady, p = read.flag()
			return p
		})
		if p == nil {
			p = read.end()
		}
		if p != nil {
			return problemAnswer(p.in("the body"), nil)
		}
	}
	list := []indexEntry{}
	for _, s := range h.Service.Models.Status() {
		if !onlyReady || s.State == repository.Ready {
			list = append(list, newIndexEntry(s))
		}
	}
	return jsonAnswer(list, nil)
}

// The plain protocol's status of a model.
type (
	modelStatus struct {
		Versions []versionStatus `json:"model_version_status"`
	}
	versionStatus struct {
		Version string `json:"version"`
		State   string `json:"state"`
		Status  struct {
			Code    string `json:"error_code"`
			Message string `json:"error_message"`
		} `json:"status"`
	}
)

// status answers how the versions of a model do, or one of them.
func (h *Handler) status(to route) answer {
	var body modelStatus
	for _, s := range h.Service.Models.Status() {
		if s.Name != to.model || (to.version != "" && s.Version != to.version) {
			continue
		}
		v := versionStatus{Version: s.Version}
		v.State = map[repository.State]string{
			repository.Loading: "LOADING", repository.Ready: "AVAILABLE",
			repository.Failed: "END", repository.Unloading: "UNLOADING",
		}[s.State]
		v.Status.Code = "OK"
		if s.State == repository.Failed {
			v.Status.Code, v.Status.Message = "UNKNOWN", s.Reason
		}
		body.Versions = append(body.Versions, v)
	}
	if len(body.Versions) > 0 {
		return jsonAnswer(body, nil)
	}
	what := "model " + quoted([]byte(to.model))
	if to.version != "" {
		what = "version " + quoted([]byte(to.version)) + " of " + what
	}
	return problemAnswer(newProblem(http.StatusNotFound, reasonModelNotFound,
		"%s: not found: the models are %q", what, h.Service.Models.Names()), nil)
}
