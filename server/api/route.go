package api

import "strings"

// kind is a route without its model.
type kind string

const (
	kindUnknown    kind = "unknown"
	kindServer     kind = "server"
	kindLive       kind = "live"
	kindReady      kind = "ready"
	kindModel      kind = "model"
	kindModelReady kind = "model_ready"
	kindInfer      kind = "infer"
)

// kinds says of each kind whether it is of a model.
var kinds = map[kind]bool{
	kindUnknown: false, kindServer: false, kindLive: false, kindReady: false,
	kindModel: true, kindModelReady: true, kindInfer: true,
}

// ofModel says whether the route names a model.
func (k kind) ofModel() bool { return k == kindModel || k == kindModelReady || k == kindInfer }

// route is where a request goes. version is empty if the path has none.
type route struct {
	kind           kind
	model, version string
}

// parseRoute reads a path. http.ServeMux would do, but answers what it does not know
// in plain text and not in the protocol's JSON.
func parseRoute(path string) route {
	switch path {
	case "/v2", "/v2/":
		return route{kind: kindServer}
	case "/v2/health/live":
		return route{kind: kindLive}
	case "/v2/health/ready":
		return route{kind: kindReady}
	}
	rest, ok := strings.CutPrefix(path, "/v2/models/")
	if !ok {
		return route{kind: kindUnknown}
	}
	to := route{kind: kindModel}
	to.model, rest, _ = strings.Cut(rest, "/")
	if after, versioned := strings.CutPrefix(rest, "versions/"); versioned {
		to.version, rest, _ = strings.Cut(after, "/")
		if to.version == "" {
			return route{kind: kindUnknown}
		}
	}
	switch rest {
	case "":
	case "ready":
		to.kind = kindModelReady
	case "infer":
		to.kind = kindInfer
	default:
		return route{kind: kindUnknown}
	}
	return to
}
