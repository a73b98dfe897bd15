package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollproof/loadtest/run"
)

func TestLossesOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	raw := filepath.Join(dir, run.RawDir)
	must(t, os.Mkdir(raw, 0o755))
	write := func(lane, text string) {
		must(t, os.WriteFile(filepath.Join(raw, lane+".losses.jsonl"), []byte(text), 0o600))
	}
	write("new", `{"lane":"new","seq":1}`+"\n"+`{"lane":"new","seq":2}`+"\n")
	write("hot", "")
	write("reused", `{"lane":"reused","seq":3}`+"\n")
	must(t, os.WriteFile(filepath.Join(raw, "new.gob"), []byte("not losses"), 0o600))
	read := func(most int) (seqs []uint64, err error) {
		for loss, err := range run.Losses(dir) {
			if err != nil {
				return seqs, err
			}
			if seqs = append(seqs, loss.Seq); len(seqs) == most {
				break
			}
		}
		return seqs, nil
	}
	if got, err := read(10); err != nil || len(got) != 3 {
		t.Errorf("losses %v, %v", got, err)
	}
	if got, err := read(1); err != nil || len(got) != 1 {
		t.Errorf("losses %v, %v, want to stop at the first", got, err)
	}
	write("hot", `{"lane":`)
	if got, err := read(10); err == nil || !strings.Contains(err.Error(), "hot.losses.jsonl: loss 1") {
		t.Errorf("losses %v, error %v", got, err)
	}
	if got, err := read(10); err == nil || len(got) != 0 {
		t.Errorf("losses %v before the broken file of lane hot, error %v", got, err)
	}
}
