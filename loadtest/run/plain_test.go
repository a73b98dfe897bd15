package run_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/run"
	"rollproof/loadtest/verdict"
)

// A Deployment that this project never saw: its answers name neither their pod nor
// their version, and its requests are another's.
func TestAnUpgradeOfAServiceThatTellsNothing(t *testing.T) {
	c := newCluster(t, set)
	go c.rollOut(false)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		c.ServeHTTP(answer, r)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that has gone is counted there
	}))
	t.Cleanup(front.Close)
	body := filepath.Join(t.TempDir(), "body.json")
	must(t, os.WriteFile(body, []byte(`{"id":"x","inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[0,0.5,1e-05]}]}`), 0o600))
	u, err := url.Parse(front.URL + set.Path())
	must(t, err)
	service, err := cases.LoadPlain(cases.PlainConfig{Path: u.Path, Body: body, Expect: []string{"model_name=toy", "outputs[0].name=label"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := quick(t, c, "sh", "-c", "sleep 0.5; touch "+c.trigger)
	cfg.URL, cfg.Service, cfg.FromVersion, cfg.ToVersion = front.URL, service, "", ""
	cfg.SlowRows, cfg.StepRows, cfg.Objectives.Scaling = 1, 1, false
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
	wants(t, judge(t, r, err), verdict.Pass, "")
	for _, l := range r.Input.Lanes {
		if len(l.Pods) != 0 || len(l.Versions()) != 0 || l.Stages["steady"] == nil && l.Name == run.LaneNew {
			t.Errorf("lane %s: pods %v, versions %v, stages %v", l.Name, l.Pods, l.Versions(), l.Stages)
		}
	}
	if r.Input.Run.Control == nil || r.Input.Run.Control.Requests == 0 || r.Input.Run.Sampler.FileLimit == 0 {
		t.Errorf("the harness did not watch itself: %+v, %+v", r.Input.Run.Control, r.Input.Run.Sampler)
	}

	cfg.FromVersion, cfg.ToVersion = "1", "2"
	if err := cfg.CheckUpgrade(); err == nil {
		t.Error("versions that no answer tells were taken")
	}
}
