package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestDelayed(t *testing.T) {
	t.Parallel()
	h := delayed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "answer")
	}), 200*time.Millisecond)
	tests := []struct {
		header string
		least  time.Duration
		status int
	}{
		{"", 0, http.StatusOK},
		{"0s", 0, http.StatusOK},
		{"100ms", 100 * time.Millisecond, http.StatusOK},
		{"201ms", 0, http.StatusBadRequest},
		{"-1ms", 0, http.StatusBadRequest},
		{"long", 0, http.StatusBadRequest},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Header.Set(delayHeader, tt.header)
		w := httptest.NewRecorder()
		began := time.Now()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || time.Since(began) < tt.least || (tt.status == http.StatusOK) != (w.Body.String() == "answer") {
			t.Errorf("%q: status %d, %q, after %v", tt.header, w.Code, w.Body, time.Since(began))
		}
	}
	// A caller that has gone is not waited for.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody).WithContext(ctx)
	r.Header.Set(delayHeader, "200ms")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.Len() != 0 {
		t.Errorf("an answer to nobody: %q", w.Body)
	}
}
