package command

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseHeaders(t *testing.T) {
	t.Parallel()
	got := http.Header{}
	if err := parseHeaders([]byte("# a comment\n\nx-one:  1 \r\nX-One: 2\nHost: model.example\n"), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(http.Header{"X-One": {"1", "2"}, "Host": {"model.example"}}, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"X-A: 1\nquiet":            "line 2: want NAME: VALUE",
		"X A: quiet":               "line 1: want NAME: VALUE",
		"X-A: sec\x01ret":          "line 1: X-A: its value has signs",
		"idempotency-key: quiet":   "line 1: Idempotency-Key: it decides",
		"X-Vegeta-Seq: 5":          "line 1: X-Vegeta-Seq: it decides",
		"Transfer-Encoding: quiet": "line 1: Transfer-Encoding: it decides",
	} {
		err := parseHeaders([]byte(text), http.Header{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "quiet") {
			t.Errorf("%q: error %v, want one with %q and no value", text, err, want)
		}
	}
}

func FuzzParseHeaders(f *testing.F) {
	f.Add([]byte("X-A: 1\n# x\nHost: y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		into := http.Header{}
		if err := parseHeaders(data, into); err != nil {
			return
		}
		for name, values := range into {
			for _, v := range values {
				if strings.ContainsAny(name+v, "\r\n") {
					t.Errorf("%q: %q", name, v)
				}
			}
		}
	})
}
