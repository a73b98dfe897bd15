package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// lateAfter is how long after it was due a send counts as late: as in the harness.
const lateAfter = 100 * time.Millisecond

// plain sends the lanes' requests as `vegeta attack` does: its own client, static
// targets, results encoded into a file. It checks nothing.
func plain(ctx context.Context, args []string, _ io.Writer) error {
	f := flag.NewFlagSet("rate plain", flag.ContinueOnError)
	url := f.String("url", "", "address of the server")
	file := f.String("cases", "", "file of rows")
	rate := f.Float64("rate", 0, "requests a second in all")
	duration := f.Duration("duration", 0, "how long to send")
	workers := f.Uint64("max-workers", 0, "most requests under way on a lane")
	raw := f.String("raw", "", "folder for the results")
	result := f.String("result", "", "file for the counts")
	if err := f.Parse(args); err != nil {
		return err
	}
	rows, path, err := readCases(*file)
	if err != nil {
		return err
	}
	all := lanes()
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i := range all {
		running.Go(func() {
			l := &all[i]
			a := attacker{
				url: strings.TrimSuffix(*url, "/") + path, rate: *rate * l.Share, workers: *workers, duration: *duration,
				raw: filepath.Join(*raw, "plain-"+l.Name+".gob"),
			}
			errs[i] = a.attack(ctx, l, rows)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(*result, data, 0o644)
}

// readCases returns the bodies' rows, as they are written, and the path.
func readCases(file string) (rows []json.RawMessage, path string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	var c struct {
		Model string            `json:"model"`
		Rows  []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	if len(c.Rows) == 0 {
		return nil, "", fmt.Errorf("%s: no rows", file)
	}
	return c.Rows, "/v2/models/" + c.Model + "/infer", nil
}

// body is a request of so many rows from the i-th on.
func body(rows []json.RawMessage, i, count int) []byte {
	var parts []string
	columns := 0
	for k := range count {
		row := strings.Trim(string(rows[(i+k)%len(rows)]), "[] \n")
		columns = strings.Count(row, ",") + 1
		parts = append(parts, row)
	}
	return fmt.Appendf(nil, `{"id":"b%d","inputs":[{"name":"X","shape":[%d,%d],"datatype":"FP32","data":[%s]}]}`,
		i, count, columns, strings.Join(parts, ","))
}

type attacker struct {
	url      string
	rate     float64
	workers  uint64
	duration time.Duration
	raw      string
}

// bodies is how many different bodies a lane rotates through.
const bodies = 100

// attack sends one lane and counts into it.
func (a attacker) attack(ctx context.Context, l *lane, rows []json.RawMessage) (err error) {
	targets := make([]vegeta.Target, bodies)
	for i := range targets {
		targets[i] = vegeta.Target{
			Method: http.MethodPost, URL: a.url, Header: http.Header{"Content-Type": {"application/json"}}, Body: body(rows, i*l.Rows, l.Rows),
		}
	}
	file, err := os.Create(a.raw)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(a.raw)) }()
	out := bufio.NewWriter(file)
	encode := vegeta.NewEncoder(out)
	attacker := vegeta.NewAttacker(vegeta.KeepAlive(l.KeepAlive), vegeta.MaxWorkers(a.workers), vegeta.Timeout(10*time.Second))
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	began := time.Now()
	pacer := vegeta.Rate{Freq: int(a.rate * 1000), Per: 1000 * time.Second}
	for r := range attacker.Attack(vegeta.NewStaticTargeter(targets...), pacer, a.duration, l.Name) {
		if err := encode(r); err != nil {
			return err
		}
		l.Requests++
		if r.Code == http.StatusOK && r.Error == "" {
			l.OK++
		}
		due := began.Add(time.Duration(float64(r.Seq) / a.rate * float64(time.Second)))
		if r.Timestamp.Sub(due) > lateAfter {
			l.Late++
		}
	}
	l.Seconds = a.duration.Seconds()
	return out.Flush()
}
