package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/peer"
	"rollproof/bench/result"
)

// readyTimeout is longer than any server takes to start.
const readyTimeout = time.Minute

// server is a server that can be started.
type server struct {
	name string
	// wrap, args and env as peer.Command has them. args is given the address.
	wrap []string
	args func(address string) []string
	env  []string
	// paths to ask for predictions, by model.
	paths map[string]string
	// answers is false for a server that always answers the same.
	answers bool
}

// started is one that runs.
type started struct {
	*peer.Process
	base string
	server
}

func (s *started) url(model string) string { return s.base + s.paths[model] }

// start starts a server, waits until it answers, and holds its answers against
// scikit-learn's.
func (r *run) start(ctx context.Context, s server) (*started, error) {
	up, err := r.launch(ctx, s)
	if err != nil {
		return nil, err
	}
	for name := range s.paths {
		_, err = up.Ready(ctx, up.url(name), r.bodies[0], readyTimeout)
		if err == nil && s.answers {
			err = r.agree(ctx, up.url(name), name)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), up.Stop())
		}
	}
	return up, nil
}

// launch starts a server and does not wait for it.
func (r *run) launch(ctx context.Context, s server) (*started, error) {
	address, err := peer.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p, err := peer.Start(ctx, peer.Command{
		Name: s.name, Wrap: s.wrap, Args: s.args(address), Env: s.env, Core: r.ServerCore, Log: r.log(s.name),
	})
	if err != nil {
		return nil, err
	}
	return &started{Process: p, base: "http://" + address, server: s}, nil
}

// oneCore is what tells Go that there is one core; the others' libraries are told by
// scripts/python.sh.
var oneCore = []string{"GOMAXPROCS=1"}

// ours is this project's server, of the given binary, with its metrics on an address.
func (r *run) ours(name, binary, metrics string, more ...string) server {
	return server{
		name: name, env: oneCore, answers: true,
		args: func(address string) []string {
			return append([]string{
				binary, "--models", filepath.Join(r.work, "models"), "--listen", address, "--metrics-listen", metrics,
				"--drain-delay", "10ms", "--shutdown-timeout", "1s",
			}, more...)
		},
		paths: map[string]string{boosting: "/v2/models/" + boosting + "/infer", forest: "/v2/models/" + forest + "/infer"},
	}
}

// flask is scikit-learn behind Flask and one worker of gunicorn.
func (r *run) flask(model string) server {
	return server{
		name: "flask-" + model, answers: true,
		wrap: []string{filepath.Join(r.Root, "scripts", "python.sh"), "bookworm"},
		args: func(address string) []string {
			return []string{
				"gunicorn", "--workers", "1", "--bind", address, "--chdir", "/project/bench/peers",
				fmt.Sprintf("flask_sklearn:make(%q)", "/out/"+model+".pickle"),
			}
		},
		env:   []string{"OUT=" + r.work},
		paths: map[string]string{model: "/predict"},
	}
}

// fastapi is ONNX Runtime behind FastAPI.
func (r *run) fastapi(model string) server {
	return server{
		name: "fastapi-" + model, answers: true,
		wrap: []string{filepath.Join(r.Root, "scripts", "python.sh"), "trixie"},
		args: func(address string) []string {
			host, port := split(address)
			return []string{"python3", "bench/peers/fastapi_onnxruntime.py", "/out/models/" + model + "/1/model.onnx", host, port}
		},
		env:   []string{"OUT=" + r.work},
		paths: map[string]string{model: "/predict"},
	}
}

// constant is a Go handler that always answers the same.
func (r *run) constant(kind string) server {
	return server{
		name: kind, env: oneCore,
		args:  func(address string) []string { return []string{r.Self, "serve", kind, "--listen", address} },
		paths: map[string]string{boosting: "/"},
	}
}

// servers measures everything that is a server.
func (r *run) servers(ctx context.Context) error {
	metrics, err := peer.FreeAddress(ctx)
	if err != nil {
		return err
	}
	r.say("==> start the server")
	ours, err := r.start(ctx, r.ours("rollproof", r.Server, metrics))
	if err != nil {
		return err
	}
	return with(ours.Process, func() error {
		for _, c := range r.contests() {
			if err := r.contest(ctx, ours, c); err != nil {
				return err
			}
		}
		return r.allocations(ctx, ours, "http://"+metrics+"/metrics")
	})
}

// contest is one comparison of servers.
type contest struct {
	server
	model string
	row   result.Row
	// p99 is measured too, with that goal, if it is not zero.
	p99 goal.Goal
}

const (
	flaskTitle   = "flask + gunicorn (1 worker) + scikit-learn"
	fastapiTitle = "FastAPI + uvicorn, uvloop, httptools, orjson, ONNX Runtime (1 thread)"
)

// contests are all comparisons of servers, in the table's order.
func (r *run) contests() []contest {
	rate := func(id, against, model string, bound float64) result.Row {
		return result.Row{
			ID: id, Against: against, Of: titles[model] + ", one row", What: "maximum rate", Unit: result.RequestsPerSecond,
			Goal: goal.Goal{Bound: goal.AtLeast, Value: bound},
		}
	}
	none := func(row result.Row) result.Row {
		row.Goal = goal.Goal{}
		return row
	}
	all := []contest{
		{r.flask(boosting), boosting, rate("flask-gbc", flaskTitle, boosting, 45), goal.Goal{Bound: goal.AtMost, Value: 0.1}},
		{r.flask(forest), forest, rate("flask-rf", flaskTitle, forest, 250), goal.Goal{}},
		{r.fastapi(boosting), boosting, rate("fastapi-gbc", fastapiTitle, boosting, 6), goal.Goal{}},
		{r.constant("decode"), boosting, rate("decode", "Go handler: encoding/json, a constant answer", boosting, 1.25), goal.Goal{}},
		{r.constant("discard"), boosting, rate("discard", "Go handler: body discarded, a constant answer", boosting, 0.75), goal.Goal{}},
		{r.constant("bare"), boosting, none(rate("bare", "Go without HTTP: a socket read and written, a constant answer", boosting, 0)), goal.Goal{}},
	}
	const metrics = "127.0.0.1:0"
	all = append(all, contest{
		r.ours("indirect", r.Server, metrics, "--direct", "off"), boosting,
		none(rate("indirect", "itself with net/http for all requests (--direct off)", boosting, 0)), goal.Goal{},
	})
	if r.Plain != "" {
		row := none(rate("pgo", "itself without profile-guided optimization", boosting, 0))
		all = append(all, contest{r.ours("plain", r.Plain, metrics), boosting, row, goal.Goal{}})
	}
	return all
}

// contest measures one comparison.
func (r *run) contest(ctx context.Context, ours *started, c contest) error {
	r.say("==> %s, %s: %d pairs of %s each", c.row.Against, c.row.Of, r.pairs, r.sample)
	theirs, err := r.start(ctx, c.server)
	if err != nil {
		return err
	}
	return with(theirs.Process, func() error {
		rate := func(url string) pair.Side {
			return func(ctx context.Context) (float64, error) {
				report, err := r.wrk.Run(ctx, url, r.sample)
				return report.PerSecond, err
			}
		}
		for _, url := range []string{ours.url(c.model), theirs.url(c.model)} {
			if _, err := r.wrk.Run(ctx, url, warmUp); err != nil {
				return err
			}
		}
		pairs, err := pair.Measure(ctx, r.pairs, rate(ours.url(c.model)), rate(theirs.url(c.model)))
		if err != nil {
			return fmt.Errorf("%s: %w", c.row.ID, err)
		}
		row, err := c.row.Paired(pairs)
		if err := r.add(row, err); err != nil {
			return err
		}
		if c.p99.IsZero() {
			return nil
		}
		return r.latency(ctx, ours, theirs, c, row.Comparison.Theirs.Median/2)
	})
}
