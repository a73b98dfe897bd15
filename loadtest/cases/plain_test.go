package cases_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/cases"
)

// files writes files into a folder of the test's, and returns what makes a name its path.
func files(t *testing.T, content map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string {
		if name == "" {
			return ""
		}
		return filepath.Join(dir, name)
	}
}

var source = map[string]string{
	"body.json": `{"a":1}`,
	"t.tmpl":    `{"name":{{json .Row.name}},"age":{{.Row.age}},"n":{{.N}}}`,
	"rows.csv":  "name,age,want\n\"Ann \"\"A\"\"\",3,0.5\nBen,4,1\n",
	"rows.jsonl": `{"name":"Ann","age":3.0,"want":0.5}

{"name":"Ben","age":1e2,"want":1}
`,
	"list.jsonl":    "[1,2]\n[3,4]\n",
	"answers.jsonl": "{\"y\":[0.5]}\n{\"y\":[1]}\n",
	"one.jsonl":     "{}\n",
	"answer.json":   ` { "ok" : true, "y":[1.0000001, "a", null] } `,
	"answer.txt":    "pong\n",
	"broken.jsonl":  "{}\n{\n",
	"text.jsonl":    "{}\nno\n",
	"broken.tmpl":   "{{.Row",
	"other.tmpl":    "{{.Row.colour}}",
	"narrow.csv":    "a,b\n1\n",
	"twice.csv":     "a,a\n1,2\n",
	"empty.csv":     "",
	"rows.txt":      "",
	"long.tmpl":     `{{range $i := .Row.many}}{{range $j := $.Row.many}}{{range $k := $.Row.many}}xxxxxxxxxxxxxxxx{{end}}{{end}}{{end}}`,
	"long.jsonl":    `{"many":[` + strings.Repeat("1,", 99) + `1]}`,
}

func TestBodiesOfAnySource(t *testing.T) {
	t.Parallel()
	in := files(t, source)
	tests := []struct {
		name, body, template, rows string
		want                       []string
	}{
		{"a body", "body.json", "", "", []string{`{"a":1}`}},
		{"a template of rows", "", "t.tmpl", "rows.csv", []string{`{"name":"Ann \"A\"","age":3,"n":0}`, `{"name":"Ben","age":4,"n":1}`}},
		{"a template of JSON lines", "", "t.tmpl", "rows.jsonl", []string{`{"name":"Ann","age":3.0,"n":0}`, `{"name":"Ben","age":1e2,"n":1}`}},
		{"JSON lines", "", "", "list.jsonl", []string{"[1,2]", "[3,4]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := cases.LoadPlain(cases.PlainConfig{Path: "/x", Body: in(tt.body), Template: in(tt.template), Rows: in(tt.rows)})
			if err != nil {
				t.Fatal(err)
			}
			batches, err := p.Batches(1, p.Size()+1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range batches[:p.Size()] {
				got = append(got, string(b.Body))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if batches[p.Size()] != batches[0] {
				t.Error("the batches do not begin again")
			}
			if _, err := p.Batches(2, 1); err == nil {
				t.Error("two rows in one body")
			}
		})
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	t.Parallel()
	in := files(t, source)
	tests := []struct {
		name string
		cfg  cases.PlainConfig
		want string
	}{
		{"nothing", cases.PlainConfig{}, "no body"},
		{"no such file", cases.PlainConfig{Body: in("absent")}, "absent"},
		{"a body and a template", cases.PlainConfig{Body: in("body.json"), Template: in("t.tmpl")}, "want one of them"},
		{"CSV without a template", cases.PlainConfig{Rows: in("rows.csv")}, "needs a template"},
		{"another ending", cases.PlainConfig{Rows: in("rows.txt")}, ".csv, .jsonl or .ndjson"},
		{"no row", cases.PlainConfig{Rows: in("empty.csv"), Template: in("t.tmpl")}, "no row"},
		{"a narrow row", cases.PlainConfig{Rows: in("narrow.csv"), Template: in("t.tmpl")}, "line 2: wrong number of fields"},
		{"a column twice", cases.PlainConfig{Rows: in("twice.csv"), Template: in("t.tmpl")}, `line 1: column 2: "a"`},
		{"a broken line", cases.PlainConfig{Rows: in("broken.jsonl")}, "broken.jsonl: line 2"},
		{"a broken template", cases.PlainConfig{Template: in("broken.tmpl")}, "broken.tmpl:1"},
		{"a column that is not there", cases.PlainConfig{Template: in("other.tmpl"), Rows: in("rows.csv")}, `row 1: template: `},
		{"a long body", cases.PlainConfig{Template: in("long.tmpl"), Rows: in("long.jsonl")}, "more than 1048576 bytes"},
		{"too few answers", cases.PlainConfig{Rows: in("list.jsonl"), ExpectFile: in("one.jsonl")}, "1 for 2 rows"},
		{"an answer that is not JSON", cases.PlainConfig{Rows: in("list.jsonl"), ExpectFile: in("text.jsonl")}, "answer 2 is not JSON"},
		{"no value", cases.PlainConfig{Body: in("body.json"), Expect: []string{"a.b"}}, "want PATH=VALUE"},
		{"a broken path", cases.PlainConfig{Body: in("body.json"), Expect: []string{"a[x]=1"}}, `path "a[x]": at 1`},
		{"a broken version path", cases.PlainConfig{Body: in("body.json"), VersionPath: "a..b"}, `version: path "a..b": at 1`},
		{"a path without a slash", cases.PlainConfig{Body: in("body.json"), Path: "x"}, "begins with /"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.cfg.Path == "" {
				tt.cfg.Path = "/"
			}
			if _, err := cases.LoadPlain(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAnswersOfAnyService(t *testing.T) {
	t.Parallel()
	in := files(t, source)
	lines := cases.PlainConfig{Rows: in("rows.jsonl"), ExpectFile: in("answers.jsonl")}
	parts := cases.PlainConfig{Rows: in("rows.csv"), Template: in("t.tmpl"), Expect: []string{"y[0]={{.Row.want}}", "$['who.is']={{.Row.name}}"}}
	whole := cases.PlainConfig{Body: in("body.json"), ExpectFile: in("answer.json")}
	words := cases.PlainConfig{Body: in("body.json"), ExpectFile: in("answer.txt")}
	told := cases.PlainConfig{Body: in("body.json"), VersionPath: "model.version"}
	tests := []struct {
		name         string
		cfg          cases.PlainConfig
		row          int
		header, body string
		version      string
		want         error
	}{
		{"nothing is asked", cases.PlainConfig{Body: in("body.json")}, 0, "", "whatever", "", nil},
		{"a row's answer", lines, 1, "", `{"y":[1]}`, "", nil},
		{"another row's answer", lines, 1, "", `{"y":[0.5]}`, "", cases.ErrWrongAnswer},
		{"a number within the tolerance", lines, 0, "", `{"y": [0.50000001]}`, "", nil},
		{"a place's value", parts, 1, "", `{"y":[1.0,7],"who.is":"Ben"}`, "", nil},
		{"another value", parts, 0, "", `{"y":[0.5],"who.is":"Ben"}`, "", cases.ErrWrongAnswer},
		{"nothing at the place", parts, 0, "", `{"y":[],"who.is":"Ben"}`, "", cases.ErrWrongAnswer},
		{"a document", whole, 0, "", `{"y":[1,"a",null],"ok":true}`, "", nil},
		{"one with more in it", whole, 0, "", `{"y":[1,"a",null],"ok":true,"z":0}`, "", cases.ErrWrongAnswer},
		{"one cut short", whole, 0, "", `{"y":[1,"a"`, "", cases.ErrShortBody},
		{"one that is none", whole, 0, "", `<html>`, "", cases.ErrWrongAnswer},
		{"an empty one", whole, 0, "", ``, "", cases.ErrShortBody},
		{"words", words, 0, "", "pong\n", "", nil},
		{"other words", words, 0, "", "ping\n", "", cases.ErrWrongAnswer},
		{"the version in the body", told, 0, "", `{"model":{"version":"v7"}}`, "v7", nil},
		{"a version that is a number", told, 0, "", `{"model":{"version":7}}`, "7", nil},
		{"no version", told, 0, "", `{"model":{}}`, "", cases.ErrWrongVersion},
		{"two versions", told, 0, "v8", `{"model":{"version":"v7"}}`, "v8", cases.ErrWrongVersion},
		{"the version in the header", cases.PlainConfig{Body: in("body.json"), WantVersion: true}, 0, "v8", "", "v8", nil},
		{"none in the header", cases.PlainConfig{Body: in("body.json"), WantVersion: true}, 0, "", "", "", cases.ErrWrongVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.Path = "/"
			p, err := cases.LoadPlain(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			batches, err := p.Batches(1, p.Size())
			if err != nil {
				t.Fatal(err)
			}
			checker := cases.NewChecker(p)
			for range 2 { // the second time it is known
				version, err := checker.Check(batches[tt.row], tt.header, []byte(tt.body))
				if version != tt.version || !errors.Is(err, tt.want) || (tt.want == nil && err != nil) {
					t.Errorf("version %q, %v; want %q, %v", version, err, tt.version, tt.want)
				}
			}
		})
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a.b[0]", "$", "$.a['x.y'][12]", "a[", "['", "..", "[9999999999]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := cases.ParsePath(s)
		if err == nil && p.String() != s {
			t.Errorf("%q became %q", s, p)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("a,b\n1,2\n", "csv", "{{.Row.a}}")
	f.Add("{\"a\":1}\n[]\n", "jsonl", "{{json .Row}}")
	f.Fuzz(func(t *testing.T, rows, ending, text string) {
		if ending != "csv" && ending != "jsonl" {
			return
		}
		in := files(t, map[string]string{"rows." + ending: rows, "t": text})
		// Must not panic, whatever it says.
		_, _ = cases.LoadPlain(cases.PlainConfig{Path: "/", Rows: in("rows." + ending), Template: in("t"), Expect: []string{"a=" + text}})
	})
}
