package conformance

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// command is one of a document's, with the lines that the document shows as what it
// prints; none if it shows none.
type command struct {
	line   int
	text   string
	prints []string
}

// programs are those whose commands documents of the server may have.
var programs = []string{"mkdir", "cp", "go", "curl", "grpcurl", "ghz"}

// commands reads those in the indented and in the fenced blocks of a document.
func commands(document string) []command {
	var list []command
	inside, fenced := false, false
	for i, line := range strings.Split(document, "\n") {
		text, indented := strings.CutPrefix(line, "    ")
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			indented = false
		} else if fenced {
			text, indented = line, true
		}
		if !indented {
			inside = false
			continue
		}
		name, _, _ := strings.Cut(text, " ")
		switch {
		case slices.Contains(programs, name):
			list = append(list, command{line: i + 1, text: text})
			inside = true
		case inside:
			last := &list[len(list)-1]
			last.prints = append(last.prints, text)
		}
	}
	return list
}

func TestCommandsAreFound(t *testing.T) {
	t.Parallel()
	got := commands("text\n\n    mkdir a\n    curl b\n    {\"c\":1}\n\n    {\"of\":\"no command\"}\n    curl d\n\n```\ncurl e\nf\n```\ncurl is no command here\n")
	want := []command{{3, "mkdir a", nil}, {4, "curl b", []string{`{"c":1}`}}, {8, "curl d", nil}, {11, "curl e", []string{"f"}}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(command{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestReadmes does what the documents say, in their order, against the binary: each curl
// and each other client must end well and print what is shown.
func TestReadmes(t *testing.T) {
	t.Parallel()
	for document, least := range map[string]int{"server/README.md": 6, "README.md": 0} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(document)))
			if err != nil {
				t.Fatal(err)
			}
			d := &documented{folder: t.TempDir()}
			d.prepare(t)
			asked := 0
			for _, c := range commands(string(text)) {
				asked += d.run(t, document, c)
			}
			if asked < least {
				t.Errorf("%d commands of clients, want %d or more", asked, least)
			}
		})
	}
}

// documented is where a document's commands run.
type documented struct {
	folder, path string
	server       *server
}

// prepare makes the folder look like the checkout, as far as documents use it.
func (d *documented) prepare(t *testing.T) {
	t.Helper()
	model, err := filepath.Abs(filepath.Join("..", "..", "model"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(model, filepath.Join(d.folder, "model")); err != nil {
		t.Fatal(err)
	}
	// What fails, fails with its exit code; the commands are left as they are.
	if err := os.WriteFile(filepath.Join(d.folder, ".curlrc"), []byte("fail-with-body\nshow-error\nmax-time = 20\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.path = strings.Join([]string{os.Getenv(clientsFolder), os.Getenv("PATH")}, string(os.PathListSeparator))
}

// run does what a command says, and returns 1 if it is a client's.
func (d *documented) run(t *testing.T, document string, c command) int {
	t.Helper()
	fields := strings.Fields(c.text)
	switch {
	case strings.HasPrefix(c.text, "go run ./server"):
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "--") }) {
			return 0 // a command that ends by itself, which its own tests hold
		}
		arguments := strings.ReplaceAll(strings.Join(fields[3:], " "), "127.0.0.1:8081", "127.0.0.1:0")
		d.server = startServer(t, d.folder, strings.Fields(arguments)...)
		return 0
	case fields[0] == "go":
		return 0
	}
	client := slices.Contains([]string{"curl", "grpcurl", "ghz"}, fields[0])
	if client {
		program(t, clientsFolder, fields[0])
		if d.server == nil {
			t.Fatalf("%s:%d: %s: no server runs by then", document, c.line, c.text)
		}
	}
	got := d.shell(t, c.text)
	refused := strings.Contains(strings.Join(c.prints, ""), `"error"`)
	if got.code != 0 && !refused || got.code == 0 && refused {
		t.Errorf("%s:%d: %s: exit code %d\n%s%s", document, c.line, c.text, got.code, got.out, got.err)
	}
	printed := strings.Split(strings.TrimRight(got.out, "\n"), "\n")
	if diff := cmp.Diff(c.prints, printed); len(c.prints) > 0 && diff != "" {
		t.Errorf("%s:%d: %s (-shown +printed):\n%s", document, c.line, c.text, diff)
	}
	if client {
		return 1
	}
	return 0
}

// shell runs a command line with the server's addresses in the place of those that the
// documents have.
func (d *documented) shell(t *testing.T, line string) answer {
	t.Helper()
	if d.server != nil {
		pairs := []string{"127.0.0.1:8080", d.server.http, "127.0.0.1:9090", d.server.metrics}
		if d.server.grpc != "" {
			pairs = append(pairs, "127.0.0.1:8081", d.server.grpc)
		}
		line = strings.NewReplacer(pairs...).Replace(line)
	}
	return call(t, "cd '"+d.folder+"' && export HOME=\"$PWD\" PATH='"+d.path+"'\n"+line+"\n", "bash")
}

// TestCurlOverTLS shows a certificate and a key where the server asks for both.
func TestCurlOverTLS(t *testing.T) {
	t.Parallel()
	curl := program(t, clientsFolder, "curl")
	s, authority, key := startSecure(t)
	_, port, err := net.SplitHostPort(s.http)
	if err != nil {
		t.Fatal(err)
	}
	trust := []string{"-s", "--max-time", "10", "--cacert", authority.File("ca")}
	shown := slices.Concat(trust, []string{"--cert", authority.File("client"), "--key", authority.File("client.key")})
	const unknownCertificate = 56 // curl's "failure in receiving network data", which TLS 1.3's alert is
	for _, test := range []struct {
		name, url string
		flags     []string
		code      int
		says      string
	}{
		{"certificate and key", "https://127.0.0.1:" + port + "/v2/models/breastcancer/ready", slices.Concat(shown, []string{"-H", "Authorization: Bearer " + key}), 0, `{"name":"breastcancer","version":"2","ready":true}`},
		{"a probe without a key", "https://127.0.0.1:" + port + "/v2/health/ready", shown, 0, `{"ready":true,"live":true}`},
		{"no key", "https://127.0.0.1:" + port + "/v2", shown, 0, `"reason":"unauthorized"`},
		{"no certificate", "https://127.0.0.1:" + port + "/v2", slices.Concat(trust, []string{"-H", "X-Api-Key: " + key}), unknownCertificate, ""},
		{"probes of the platform", "http://" + s.metrics + "/v2/health/ready", []string{"-s", "--max-time", "10"}, 0, `{"ready":true,"live":true}`},
	} {
		got := call(t, "", curl, slices.Concat(test.flags, []string{test.url})...)
		if got.code != test.code || !strings.Contains(got.out, test.says) {
			t.Errorf("%s: exit code %d, %s; want %d, %s", test.name, got.code, got.out, test.code, test.says)
		}
	}
}
