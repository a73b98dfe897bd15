package api

import "strings"

// kind is a route without its model.
type kind string

const (
	kindUnknown    kind = "unknown"
	kindPage       kind = "page"
	kindOpenAPI    kind = "openapi"
	kindServer     kind = "server"
	kindLive       kind = "live"
	kindReady      kind = "ready"
	kindIndex      kind = "index"
	kindModel      kind = "model"
	kindModelReady kind = "model_ready"
	kindInfer      kind = "infer"
	kindStatus     kind = "status"
	kindPredict    kind = "predict"
)

// kinds says of each kind whether it is of a model that must be there.
var kinds = map[kind]bool{
	kindUnknown: false, kindPage: false, kindOpenAPI: false, kindServer: false, kindLive: false,
	kindReady: false, kindIndex: false, kindStatus: false,
	kindModel: true, kindModelReady: true, kindInfer: true, kindPredict: true,
}

// methods are the methods that a kind allows.
func (k kind) methods() string {
	switch k {
	case kindInfer, kindPredict, kindIndex:
		return "POST, OPTIONS"
	default:
		return "GET, HEAD, OPTIONS"
	}
}

// route is where a request goes. version is empty if the path has none.
type route struct {
	kind           kind
	model, version string
}

// parseRoute reads a path. http.ServeMux would do, but answers what it does not know
// in plain text and not in the protocol's JSON.
func parseRoute(path string) route {
	if rest, ok := strings.CutPrefix(path, "/v2/models/"); ok {
		return parseModel(rest)
	}
	if rest, ok := strings.CutPrefix(path, "/v1/models/"); ok {
		return parsePlain(rest)
	}
	switch path {
	case "/":
		return route{kind: kindPage}
	case "/openapi.json":
		return route{kind: kindOpenAPI}
	case "/v2", "/v2/":
		return route{kind: kindServer}
	case "/v2/health/live":
		return route{kind: kindLive}
	case "/v2/health/ready":
		return route{kind: kindReady}
	case "/v2/repository/index":
		return route{kind: kindIndex}
	}
	return route{kind: kindUnknown}
}

// parseModel reads what is behind /v2/models/: MODEL[/versions/V][/ready or /infer].
func parseModel(rest string) route {
	to := route{kind: kindModel}
	to.model, rest, _ = strings.Cut(rest, "/")
	if after, versioned := strings.CutPrefix(rest, "versions/"); versioned {
		to.version, rest, _ = strings.Cut(after, "/")
		if to.version == "" {
			return route{kind: kindUnknown}
		}
	}
	switch {
	case to.model == "":
		return route{kind: kindUnknown}
	case rest == "":
	case rest == "ready":
		to.kind = kindModelReady
	case rest == "infer":
		to.kind = kindInfer
	default:
		return route{kind: kindUnknown}
	}
	return to
}

// parsePlain reads what is behind /v1/models/: MODEL[/versions/V][:predict].
func parsePlain(rest string) route {
	to := route{kind: kindStatus}
	if before, ok := strings.CutSuffix(rest, ":predict"); ok {
		to.kind, rest = kindPredict, before
	}
	name, rest, deeper := strings.Cut(rest, "/")
	if deeper {
		version, versioned := strings.CutPrefix(rest, "versions/")
		if !versioned || version == "" || strings.Contains(version, "/") {
			return route{kind: kindUnknown}
		}
		to.version = version
	}
	if name == "" {
		return route{kind: kindUnknown}
	}
	to.model = name
	return to
}
