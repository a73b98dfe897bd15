package suite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/peer"
	"rollproof/bench/result"
)

// allocations counts what a request allocates in the whole process, by its metrics: of
// the server, and for comparison of a handler that does nothing, which is net/http alone.
func (r *run) allocations(ctx context.Context, ours *started, metrics string) error {
	r.say("==> allocations of a request")
	beside, err := peer.FreeAddress(ctx)
	if err != nil {
		return err
	}
	bare := r.constant("discard")
	bare.args = func(address string) []string {
		return []string{r.Self, "serve", "discard", "--listen", address, "--metrics-listen", beside}
	}
	theirs, err := r.start(ctx, bare)
	if err != nil {
		return err
	}
	return with(theirs.Process, func() error {
		of := func(url, metrics, requests string) pair.Side {
			return func(ctx context.Context) (float64, error) { return r.perRequest(ctx, url, metrics, requests) }
		}
		pairs, err := pair.Measure(ctx, r.pairs,
			of(ours.url(boosting), metrics, "rollproof_requests_total{"),
			of(theirs.url(boosting), "http://"+beside+"/metrics", "requests_total{"))
		if err != nil {
			return fmt.Errorf("allocations: %w", err)
		}
		ours := make([]float64, len(pairs))
		for i, p := range pairs {
			ours[i] = p.Ours
		}
		c, err := pair.Compare(pairs)
		if err != nil {
			return fmt.Errorf("allocations: %w", err)
		}
		row := result.Row{
			ID: "allocations", What: "allocations of a request", Of: titles[boosting] + ", one row",
			Unit: result.Allocations, Goal: goal.Goal{Bound: goal.AtMost, Value: 9},
			Note: fmt.Sprintf("in the whole process; net/http with a handler that does nothing makes %.1f", c.Theirs.Median),
		}
		row, err = row.Lone(ours)
		return r.add(row, err)
	})
}

// perRequest is how many allocations a request to the URL makes, by the metrics of its
// process; requests is how the lines that count them begin.
func (r *run) perRequest(ctx context.Context, url, metrics, requests string) (float64, error) {
	before, err := scrape(ctx, metrics, requests)
	if err != nil {
		return 0, err
	}
	if _, err := r.wrk.Run(ctx, url, warmUp); err != nil {
		return 0, err
	}
	after, err := scrape(ctx, metrics, requests)
	if err == nil && after.requests <= before.requests {
		err = fmt.Errorf("%s: %v requests counted after %v, want more", metrics, after.requests, before.requests)
	}
	return (after.mallocs - before.mallocs) / (after.requests - before.requests), err
}

// counts are what is read of the metrics.
type counts struct{ mallocs, requests float64 }

// scrape reads the server's metrics.
func scrape(ctx context.Context, url, requests string) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return counts{}, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return counts{}, err
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	c, err := parseMetrics(answer.Body, requests)
	if err != nil {
		return c, fmt.Errorf("%s: %w", url, err)
	}
	return c, nil
}

// parseMetrics reads the counts out of the Prometheus text format: Go's of allocations,
// and the sum of those that begin with requests.
func parseMetrics(text io.Reader, requests string) (c counts, err error) {
	const mallocs = "go_memstats_mallocs_total "
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, mallocs) && !strings.HasPrefix(line, requests) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return c, fmt.Errorf("%q: %w", line, err)
		}
		if strings.HasPrefix(line, mallocs) {
			c.mallocs = n
		} else {
			c.requests += n
		}
	}
	if err := lines.Err(); err != nil {
		return c, err
	}
	if c.mallocs == 0 || c.requests == 0 {
		return c, fmt.Errorf("no %q or no %q that is not 0", strings.TrimSpace(mallocs), requests)
	}
	return c, nil
}
