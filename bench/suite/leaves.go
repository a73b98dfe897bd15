package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/result"
)

// leaves runs the comparison of model/tree/bench/leaves several times: it times both in
// turns itself. The row for the table is the least favorable of its models.
func (r *run) leaves(ctx context.Context) error {
	r.say("==> leaves, on LightGBM models: %d runs", r.pairs)
	found := map[duelKey][]pair.Pair{}
	var order []duelKey
	for range r.pairs {
		text, err := r.leavesOnce(ctx)
		if err != nil {
			return err
		}
		duels, err := parseDuels(text)
		if err != nil {
			return fmt.Errorf("the comparison with leaves: %w", err)
		}
		for _, d := range duels {
			if _, ok := found[d.duelKey]; !ok {
				order = append(order, d.duelKey)
			}
			found[d.duelKey] = append(found[d.duelKey], d.Pair)
		}
	}
	for _, n := range []struct {
		rows  int
		title string
	}{{1, "one row"}, {100, "100 rows"}} {
		row := result.Row{
			ID: fmt.Sprintf("leaves-%d", n.rows), Against: "leaves (Go)", Of: "LightGBM, " + n.title,
			What: "time of a call", Unit: result.Microseconds, Goal: goal.Goal{Bound: goal.AtMost, Value: 1},
		}
		row, err := worst(row, n.rows, order, found)
		if err := r.add(row, err); err != nil {
			return err
		}
	}
	return nil
}

// worst is the row for the model with the largest ratio, with all of them as its parts.
func worst(row result.Row, rows int, order []duelKey, found map[duelKey][]pair.Pair) (result.Row, error) {
	var parts []result.Row
	most := 0
	for _, key := range order {
		if key.rows != rows {
			continue
		}
		part := row
		part.ID, part.Of = row.ID+": "+key.name, key.name
		part, err := part.Paired(found[key])
		if err != nil {
			return row, err
		}
		parts = append(parts, part)
		if part.Judged().Median > parts[most].Judged().Median {
			most = len(parts) - 1
		}
	}
	if len(parts) == 0 {
		return row, fmt.Errorf("%s: the comparison has no model with %d rows", row.ID, rows)
	}
	row, err := row.Paired(parts[most].Pairs)
	row.Parts = parts
	row.Note = fmt.Sprintf("the least favorable of %d models: %s", len(parts), parts[most].Of)
	return row, err
}

// leavesOnce runs the test and returns its output. It fails by itself where ours takes
// longer, which is no failure here.
func (r *run) leavesOnce(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(r.ServerCore), r.Leaves, "-test.v", "-test.count=1")
	cmd.Dir = filepath.Join(r.Root, "model", "tree", "bench", "leaves")
	cmd.Env = append(os.Environ(), oneCore...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return "", fmt.Errorf("the comparison with leaves: %w: %s", err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// duelKey is a model and a number of rows, duel what was measured of it, in us.
type (
	duelKey struct {
		name string
		rows int
	}
	duel struct {
		duelKey
		pair.Pair
	}
)

// duelLine is how the test prints one.
var duelLine = regexp.MustCompile(`^(.+?)\s+(\d+) rows:\s+([0-9.]+) us, leaves\s+([0-9.]+) us, ratio`)

// parseDuels reads the test's output.
func parseDuels(text string) (duels []duel, err error) {
	for line := range strings.Lines(text) {
		m := duelLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var d duel
		d.name = m[1]
		var errs [3]error
		d.rows, errs[0] = strconv.Atoi(m[2])
		d.Ours, errs[1] = strconv.ParseFloat(m[3], 64)
		d.Theirs, errs[2] = strconv.ParseFloat(m[4], 64)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		duels = append(duels, d)
	}
	if len(duels) == 0 {
		return nil, fmt.Errorf("it printed no comparison: %.400s", text)
	}
	return duels, nil
}
