//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"rollproof/server/inferencepb"
)

const grpcPort = "30995"

// TestGRPC upgrades a service that answers over gRPC too while clients call it,
// each on a connection of its own that it keeps, as gRPC's clients do.
func TestGRPC(t *testing.T) {
	s := newStack(t, map[string]string{
		"provider": "kind", "clusterName": cluster, "workers": "1", "port": port,
		"grpc": "true", "grpcPort": grpcPort, "metricsResolution": "10s",
	})
	s.up()
	if got := s.outputs()["grpc"]; got != "127.0.0.1:"+grpcPort {
		t.Errorf("output grpc is %v, want 127.0.0.1:%s", got, grpcPort)
	}
	golden := readGoldens(t)
	callers := newCallers(t, golden, 16)
	eventually(t, "answers of version 1", time.Minute, func() bool { return callers.seen("1") > 100 })
	s.set("image", serverV2)
	s.up()
	eventually(t, "answers of version 2 alone", 2*time.Minute, func() bool {
		before, since := callers.seen("1"), callers.seen("2")
		time.Sleep(2 * time.Second)
		return callers.seen("1") == before && callers.seen("2") > since
	})
	callers.stop()
	t.Logf("%d calls of version 1, %d of version 2 from %d pods, %d lost", callers.seen("1"), callers.seen("2"), len(callers.pods), len(callers.lost))
	for i, lost := range callers.lost {
		if i == 10 {
			t.Errorf("and %d more", len(callers.lost)-i)
			break
		}
		t.Error(lost)
	}
	if len(callers.pods) < 4 {
		t.Errorf("%d pods answered, want the two old ones and the two new ones", len(callers.pods))
	}
}

// goldens are what the test reads of the model's.
type goldens struct {
	Input struct {
		Name    string `json:"name"`
		Columns int    `json:"columns"`
	} `json:"input"`
	Outputs struct {
		Probabilities string `json:"probabilities"`
	} `json:"outputs"`
	Rows     [][]float32 `json:"rows"`
	Expected map[string]struct {
		Probabilities [][]float64 `json:"probabilities"`
	} `json:"expected"`
}

func readGoldens(t *testing.T) *goldens {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(), "model/breastcancer/goldens.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := &goldens{}
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// callers call one after the other, without a pause, until they are stopped.
type callers struct {
	golden *goldens
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu       sync.Mutex
	versions map[string]int
	pods     map[string]bool
	lost     []string
}

func newCallers(t *testing.T, golden *goldens, n int) *callers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &callers{golden: golden, cancel: cancel, versions: map[string]int{}, pods: map[string]bool{}}
	t.Cleanup(c.stop)
	for i := range n {
		conn, err := grpc.NewClient("127.0.0.1:"+grpcPort, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		c.wait.Add(1)
		go func() {
			defer c.wait.Done()
			defer func() { _ = conn.Close() }()
			client := inferencepb.NewGRPCInferenceServiceClient(conn)
			for row := i; ctx.Err() == nil; row++ {
				c.call(ctx, client, row%len(golden.Rows))
				time.Sleep(5 * time.Millisecond) // some 2,000 calls a second are enough for two pods
			}
		}()
	}
	return c
}

func (c *callers) stop() {
	c.cancel()
	c.wait.Wait()
}

func (c *callers) seen(version string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.versions[version]
}

func (c *callers) call(ctx context.Context, client inferencepb.GRPCInferenceServiceClient, row int) {
	// A call that is under way when the test ends is let end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var header metadata.MD
	start := time.Now()
	answer, err := client.ModelInfer(ctx, &inferencepb.ModelInferRequest{
		ModelName: "breastcancer",
		Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{{
			Name: c.golden.Input.Name, Datatype: "FP32", Shape: []int64{1, int64(c.golden.Input.Columns)},
			Contents: &inferencepb.InferTensorContents{Fp32Contents: c.golden.Rows[row]},
		}},
	}, grpc.Header(&header))
	if err == nil {
		err = c.check(answer, row)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.lost = append(c.lost, fmt.Sprintf("row %d, sent at %s: %v", row, start.Format("15:04:05.000"), err))
		return
	}
	c.versions[answer.GetModelVersion()]++
	for _, pod := range header.Get("x-rollproof-pod") {
		c.pods[pod] = true
	}
}

// check compares an answer with the goldens of the version that it names.
func (c *callers) check(answer *inferencepb.ModelInferResponse, row int) error {
	golden, ok := c.golden.Expected[answer.GetModelVersion()]
	if !ok {
		return fmt.Errorf("version %q answered", answer.GetModelVersion())
	}
	for _, out := range answer.GetOutputs() {
		if out.GetName() != c.golden.Outputs.Probabilities {
			continue
		}
		got, want := out.GetContents().GetFp32Contents(), golden.Probabilities[row]
		if len(got) != len(want) {
			return fmt.Errorf("%d probabilities, want %d", len(got), len(want))
		}
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 1e-6 {
				return fmt.Errorf("version %s: probabilities %v, want %v", answer.GetModelVersion(), got, want)
			}
		}
		return nil
	}
	return fmt.Errorf("no output %s", c.golden.Outputs.Probabilities)
}
