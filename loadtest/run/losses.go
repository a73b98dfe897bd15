package run

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"rollproof/loadtest/tally"
)

// lossFile is the file under RawDir that keeps a lane's losses.
func lossFile(lane string) string { return lane + ".losses.jsonl" }

// LossPath returns the file in which the run in dir keeps a lane's losses.
func LossPath(dir, lane string) string { return filepath.Join(dir, RawDir, lossFile(lane)) }

// LossesOf reads the losses and the masked retries of one lane. An error names
// the file and ends it.
func LossesOf(dir, lane string) iter.Seq2[tally.Loss, error] {
	return func(yield func(tally.Loss, error) bool) {
		lossesOf(LossPath(dir, lane), yield)
	}
}

// Losses reads the losses and the masked retries that a run kept in dir, lane
// after lane. An error names the file and ends it.
func Losses(dir string) iter.Seq2[tally.Loss, error] {
	return func(yield func(tally.Loss, error) bool) {
		paths, err := filepath.Glob(filepath.Join(dir, RawDir, lossFile("*")))
		if err != nil {
			yield(tally.Loss{}, fmt.Errorf("losses in %s: %w", dir, err))
			return
		}
		slices.Sort(paths)
		for _, path := range paths {
			if !lossesOf(path, yield) {
				return
			}
		}
	}
}

// lossesOf yields the losses of one file, and tells whether to go on.
func lossesOf(path string, yield func(tally.Loss, error) bool) bool {
	file, err := os.Open(path)
	if err != nil {
		yield(tally.Loss{}, fmt.Errorf("losses: %w", err))
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	for loss, err := range tally.ReadLosses(file) {
		if err != nil {
			yield(tally.Loss{}, fmt.Errorf("losses %s: %w", path, err))
			return false
		}
		if !yield(loss, nil) {
			return false
		}
	}
	return true
}
