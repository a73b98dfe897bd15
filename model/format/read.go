// Package format reads a model of any format that is served: it tells which one a file
// is by its content, never by its name, and hands it to that format's reader. Of other
// kinds of models it says what they are and what to export instead. It parses nothing
// of a model itself, and opens one file.
package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"rollproof/model"
	"rollproof/model/lightgbm"
	"rollproof/model/onnx"
	"rollproof/model/xgboost"
)

// MaxBytes is the largest file that is read, of any format; a reader's own limit may be
// lower.
const MaxBytes = max(onnx.MaxBytes, xgboost.MaxBytes, lightgbm.MaxBytes)

// ErrUnsupported says that the bytes are no model of a format that is served. What
// they are, as far as that can be told, stands in the error.
var ErrUnsupported = errors.New("not a model that is served")

// Read reads the model in data, which must not be changed afterwards. Errors are
// ErrUnsupported or those of the format's reader.
func Read(data []byte) (*model.Artifact, error) {
	format, err := Detect(data)
	if err != nil {
		return nil, err
	}
	switch format {
	case ONNX:
		return onnx.Read(data)
	case LightGBM:
		return lightgbm.Read(data)
	default:
		return xgboost.Read(data)
	}
}

// ReadFile reads the model in the file of that path, which errors name. The file must
// be a regular one: a pipe or a device could keep its reader waiting.
func ReadFile(path string) (*model.Artifact, error) {
	data, err := contents(path)
	if err != nil {
		return nil, err
	}
	artifact, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return artifact, nil
}

// contents reads a regular file of at most MaxBytes.
func contents(path string) ([]byte, error) {
	// Before it is opened: to open a pipe waits for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := fits(path, info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from: nothing can be lost
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := fits(path, info); err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %d of %d bytes could be read: %w", path, n, len(data), err)
	}
	return data, nil
}

// fits says what is wrong with a file before it is read.
func fits(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%s: a folder, want a model's file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", path)
	case info.Size() > MaxBytes:
		return fmt.Errorf("%s: %d bytes, want at most %d", path, info.Size(), MaxBytes)
	}
	return nil
}
