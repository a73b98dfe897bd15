package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFuzz runs fuzz.sh with a go that says what Go's fuzzing says at its end.
func TestFuzz(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("fuzz.sh")
	if err != nil {
		t.Fatal(err)
	}
	const late = "fuzz: elapsed: 16s, execs: 9 (0/sec)\n--- FAIL: FuzzRead (16.02s)\n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\trollproof/model/format\t16.031s\n"
	for _, test := range []struct {
		name, says, code string // code is go's
		fails            bool
	}{
		{"nothing found", "PASS\nok  \trollproof/model/format\t16.0s\n", "0", false},
		{"late to end", late, "1", false},
		{"an input that takes too long", strings.Replace(late, "exceeded\n", "exceeded\n    \n    Failing input written to testdata/fuzz/FuzzRead/1\n", 1), "1", true},
		{"an input that fails", strings.Replace(late, "context deadline exceeded", "artifact <nil>, error <nil>", 1), "1", true},
		{"does not compile", "FAIL\trollproof/model/format [build failed]\nFAIL\n", "1", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, folder := range []string{"bench", "infra", "loadtest", "model", "server"} {
				if err := os.Mkdir(filepath.Join(root, folder), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for name, content := range map[string]string{
				"model/read_test.go": "func FuzzRead(f *testing.F) {}\nfunc FuzzSecond(f *testing.F) {}\n", "says": test.says,
				// Read by bash as it starts: a program that was just written may be busy.
				"go": "go() { cat \"" + root + "/says\"; return " + test.code + "; }\n",
			} {
				if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := exec.CommandContext(t.Context(), script, "1s")
			c.Dir = root
			c.Env = append(os.Environ(), "BASH_ENV="+filepath.Join(root, "go"))
			out, err := c.CombinedOutput()
			if (err != nil) != test.fails {
				t.Errorf("%v, want a failure: %t\n%s", err, test.fails, out)
			}
			if second := strings.Contains(string(out), "==> FuzzSecond"); second == test.fails {
				t.Errorf("went on: %t, want %t\n%s", second, !test.fails, out)
			}
		})
	}
}
