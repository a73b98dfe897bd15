package http1

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// plainText is a plain request.
const plainText = "POST /v2/models/m/infer HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: test/1.0\r\n" +
	"content-type: application/json\r\nContent-Length: 4\r\nX-Api-Key: \t k \r\n\r\nbody"

// nowhere is a connection that has an address.
type nowhere struct{ Conn }

func (nowhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4} }

func newRequests() *requests {
	r := &requests{}
	r.of(context.Background(), nowhere{})
	return r
}

// difference says where a plain request differs from what net/http reads of the same
// bytes; "" if it does not.
func difference(b []byte, r *requests, size int) string {
	want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		return fmt.Sprintf("net/http refuses it: %v", err)
	}
	body, err := io.ReadAll(want.Body)
	if err != nil {
		return fmt.Sprintf("net/http cannot read its body: %v", err)
	}
	got, err := io.ReadAll(r.request.Body)
	if err != nil {
		return fmt.Sprintf("its body: %v", err)
	}
	// What net/http keeps to itself of a request that it read.
	left := bufio.NewReader(bytes.NewReader(b))
	again, err := http.ReadRequest(left)
	if err != nil {
		return err.Error()
	}
	if _, err := io.Copy(io.Discard, again.Body); err != nil {
		return err.Error()
	}
	behind, err := io.ReadAll(left)
	if err != nil {
		return err.Error()
	}
	has := r.request
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"method", has.Method, want.Method}, {"URL", *has.URL, *want.URL}, {"protocol", has.Proto, want.Proto},
		{"major", has.ProtoMajor, want.ProtoMajor}, {"minor", has.ProtoMinor, want.ProtoMinor},
		{"header", has.Header, want.Header}, {"host", has.Host, want.Host}, {"URI", has.RequestURI, want.RequestURI},
		{"length", has.ContentLength, want.ContentLength}, {"transfer encoding", has.TransferEncoding, want.TransferEncoding},
		{"close", has.Close, want.Close}, {"trailer", has.Trailer, want.Trailer},
		{"body", string(got), string(body)}, {"what follows", string(b[size:]), string(behind)},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			return fmt.Sprintf("%s: %#v, net/http has %#v", c.what, c.got, c.want)
		}
	}
	return ""
}

func TestPlainRequests(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a prediction":      plainText,
		"a probe":           "GET /v2/health/ready HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.37\r\nAccept: */*\r\n\r\n",
		"no body":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"keep-alive":        "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
		"empty value":       "GET / HTTP/1.1\r\nHost: x\r\nAccept:\r\n\r\n",
		"something follows": plainText + plainText[:20],
		"a colon":           "GET /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n\r\n",
		"dots":              "GET /../x HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRequests()
			size, found := r.read([]byte(text))
			if found != whole {
				t.Fatalf("found %d, want a whole request", found)
			}
			if d := difference([]byte(text), r, size); d != "" {
				t.Error(d)
			}
			for n := range size {
				if _, found := newRequests().read([]byte(text[:n])); found != partial {
					t.Fatalf("%q: found %d, want the beginning of a request", text[:n], found)
				}
			}
		})
	}
}

func TestForeignRequests(t *testing.T) {
	t.Parallel()
	replaced := func(old, new string) string {
		if !strings.Contains(plainText, old) {
			t.Fatalf("no %q in the request", old)
		}
		return strings.Replace(plainText, old, new, 1)
	}
	for name, text := range map[string]string{
		"another method":       replaced("POST", "PUT"),
		"lower case":           replaced("POST", "post"),
		"HTTP/1.0":             replaced("HTTP/1.1", "HTTP/1.0"),
		"HTTP/2":               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS":                  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a query":              replaced("/infer", "/infer?a=b"),
		"an encoded path":      replaced("/infer", "/%69nfer"),
		"an absolute URL":      replaced("/v2/models/m/infer", "http://x/"),
		"two slashes":          replaced("/v2", "//v2"),
		"two blanks":           replaced("/infer HTTP", "/infer  HTTP"),
		"bare line ends":       strings.ReplaceAll(plainText, "\r\n", "\n"),
		"one bare line end":    replaced("8080\r\n", "8080\n"),
		"a bare return":        replaced("test/1.0", "test\r1.0"),
		"a folded line":        replaced("\r\nUser", "\r\n User"),
		"blank before a colon": replaced("User-Agent:", "User-Agent :"),
		"no colon":             replaced("User-Agent:", "User-Agent"),
		"no name":              replaced("User-Agent:", ":"),
		"a control character":  replaced("test/1.0", "test\x00"),
		"not ASCII":            replaced("test/1.0", "té"),
		"chunks":               replaced("Content-Length: 4", "Transfer-Encoding: chunked"),
		"chunks and a length":  replaced("User-Agent: test/1.0", "Transfer-Encoding: chunked"),
		"two lengths":          replaced("User-Agent: test/1.0", "Content-Length: 4"),
		"two different ones":   replaced("User-Agent: test/1.0", "Content-Length: 5"),
		"lengths in a list":    replaced("Length: 4", "Length: 4, 4"),
		"a signed length":      replaced("Length: 4", "Length: +4"),
		"a length with zeros":  replaced("Length: 4", "Length: 04"),
		"no number":            replaced("Length: 4", "Length: four"),
		"an empty length":      replaced("Length: 4", "Length:"),
		"a huge length":        replaced("Length: 4", "Length: 99999999999999999999"),
		"a large body":         replaced("Length: 4", "Length: 16384"),
		"no length":            replaced("Content-Length: 4\r\n", ""),
		"a length of GET":      replaced("POST", "GET"),
		"no host":              replaced("Host: example.com:8080\r\n", ""),
		"an empty host":        replaced("Host: example.com:8080", "Host:"),
		"two hosts":            replaced("User-Agent: test/1.0", "Host: example.com:8080"),
		"a strange host":       replaced("example.com", "a/b"),
		"100-continue":         replaced("User-Agent: test/1.0", "Expect: 100-continue"),
		"upgrade":              replaced("User-Agent: test/1.0", "Connection: Upgrade\r\nUpgrade: h2c"),
		"close":                replaced("User-Agent: test/1.0", "Connection: close"),
		"twice a field":        replaced("User-Agent: test/1.0", "X-Api-Key: other"),
		"nothing":              "\r\n\r\n",
		"a long header":        replaced("test/1.0", strings.Repeat("a", maxHead)),
		"a long start":         "POST /" + strings.Repeat("a", maxHead),
		"many fields":          replaced("User-Agent: test/1.0\r\n", strings.Repeat("A: b\r\n", maxLines)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, found := newRequests().read([]byte(text)); found != foreign {
				t.Errorf("found %d, want it to be left to net/http", found)
			}
			// What came before must not make it plain.
			r := newRequests()
			if _, found := r.read([]byte(plainText)); found != whole {
				t.Fatal("the plain request is not plain")
			}
			if _, found := r.read([]byte(text)); found != foreign {
				t.Errorf("after a plain one: found %d, want it to be left to net/http", found)
			}
		})
	}
}

// TestHandlersMayChangeTheirRequest holds that what a handler puts into a request is
// gone in the next one.
func TestHandlersMayChangeTheirRequest(t *testing.T) {
	t.Parallel()
	r := newRequests()
	for range 2 {
		size, found := r.read([]byte(plainText))
		if found != whole {
			t.Fatalf("found %d, want a whole request", found)
		}
		if d := difference([]byte(plainText), r, size); d != "" {
			t.Fatal(d)
		}
		r.request.Method, r.request.Host, r.request.Body, r.request.ContentLength = "X", "y", nil, 7
		r.request.SetPathValue("a", "b")
	}
}

// FuzzRequests holds that what is taken for a plain request is the very request that
// net/http reads, also after another one on the same connection.
func FuzzRequests(f *testing.F) {
	for _, text := range []string{
		plainText, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nxGET /",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", "POST /a:b HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(plainText), []byte(text))
		f.Add([]byte(text), []byte(plainText))
	}
	f.Add([]byte("POST /\r\n0\r\n"), []byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, before, b []byte) {
		r := newRequests()
		size, found := r.read(before)
		if found == whole {
			if d := difference(before, r, size); d != "" {
				t.Fatalf("%q: %s", before, d)
			}
		}
		if found == foreign {
			r = newRequests() // nothing is read behind one
		}
		size, found = r.read(b)
		alone := newRequests()
		if n, f := alone.read(b); n != size || f != found {
			t.Fatalf("%q after %q: found %d of %d bytes, alone %d of %d", b, before, found, size, f, n)
		}
		if found != whole {
			return
		}
		if d := difference(b, r, size); d != "" {
			t.Fatalf("%q after %q: %s", b, before, d)
		}
	})
}
