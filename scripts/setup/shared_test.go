package setup

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
)

// together are the modules that a bare machine compiles, one after the other, into
// one cache: what two of them name in different versions is compiled twice.
var together = []string{
	".", "infra/kindprovider",
	"scripts/fromsource/cluster", "scripts/fromsource/cni", "scripts/fromsource/containerd",
	"scripts/fromsource/pulumi", "scripts/fromsource/pulumi-kubernetes", "scripts/fromsource/pulumi-language-go",
}

// apart are what the provider, the program and the kind provider need in the version
// of the provider's day, while the command line and its language host go on.
var apart = map[string]bool{
	// Of the tests, here.
	"github.com/pb33f/libopenapi": true,
	// The command line replaces it by a fork, as its own go.mod does.
	"github.com/atotto/clipboard":     true,
	"github.com/pulumi/pulumi/pkg/v3": true,
	"github.com/pulumi/pulumi/sdk/v3": true,
}

func TestSharedModulesHaveOneVersion(t *testing.T) {
	t.Parallel()
	type use struct{ version, in string }
	first := map[string]use{}
	for _, dir := range together {
		path := filepath.Join("..", "..", dir, "go.mod")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mod, err := modfile.Parse(path, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		replaced := map[string]string{}
		for _, r := range mod.Replace {
			replaced[r.Old.Path] = r.New.Version
		}
		for _, r := range mod.Require {
			version, ok := replaced[r.Mod.Path]
			if !ok {
				version = r.Mod.Version
			}
			old, ok := first[r.Mod.Path]
			switch {
			case apart[r.Mod.Path]:
			case !ok:
				first[r.Mod.Path] = use{version, dir}
			case old.version != version:
				t.Errorf("%s is %s in %s and %s in %s: it is compiled twice", r.Mod.Path, old.version, old.in, version, dir)
			}
		}
	}
	if len(first) < 400 {
		t.Errorf("only %d modules were compared", len(first))
	}
}
