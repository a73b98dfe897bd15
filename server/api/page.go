package api

import (
	"crypto/sha256"
	_ "embed" // page.html
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
)

// pageHTML is the page to try a prediction from a browser. It loads nothing but this
// server's own answers.
//
//go:embed page.html
var pageHTML []byte

// inline finds the page's own style and script, of which there is one each.
var inline = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)

// pagePolicy is the page's Content-Security-Policy: its own style and script, known by
// their digests, and requests to where it came from. Nothing else.
func pagePolicy() string {
	rules := []string{
		"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		"img-src data:",
	}
	for _, found := range inline.FindAllSubmatch(pageHTML, -1) {
		digest := sha256.Sum256(found[2])
		rules = append(rules, string(found[1])+"-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'")
	}
	return strings.Join(rules, "; ")
}

// page answers the page.
func (h *Handler) page(w http.ResponseWriter) answer {
	header := w.Header()
	header.Set("Content-Security-Policy", h.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	return answer{status: http.StatusOK, body: pageHTML, contentType: htmlType}
}

var htmlType = []string{"text/html; charset=utf-8"}
