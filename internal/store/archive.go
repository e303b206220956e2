package store

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
)

// Export packs the folder of a run as .tar.gz.
func (s *Store) Export(id string, w io.Writer) error {
	if _, err := s.Load(id); err != nil {
		return err
	}
	if !s.Here(id) {
		return fmt.Errorf("run %s: its folder is on another machine; export it there", id)
	}
	zipped := gzip.NewWriter(w)
	packed := tar.NewWriter(zipped)
	root := s.Dir(id)
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(root, name)
		if err != nil || !(e.Type().IsRegular() || e.IsDir()) {
			return err
		}
		return pack(packed, name, path.Join(id, filepath.ToSlash(inside)), e)
	})
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	return errors.Join(packed.Close(), zipped.Close())
}

func pack(w *tar.Writer, name, as string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: as, ModTime: info.ModTime(), Mode: 0o644, Size: info.Size(), Typeflag: tar.TypeReg}
	if e.IsDir() {
		h.Name, h.Mode, h.Size, h.Typeflag = as+"/", 0o755, 0, tar.TypeDir
	}
	if err := w.WriteHeader(h); err != nil || e.IsDir() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

// Import unpacks a run that [Store.Export] packed, whole or not at all, and gives its id.
func (s *Store) Import(r io.Reader) (string, error) {
	if err := os.MkdirAll(filepath.Join(s.dir, "runs"), 0o755); err != nil {
		return "", fmt.Errorf("results folder: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Join(s.dir, "runs"), ".import-*")
	if err != nil {
		return "", fmt.Errorf("results folder: %w", err)
	}
	id, err := unpack(r, tmp)
	if err == nil {
		err = s.adopt(filepath.Join(tmp, id), id)
	}
	if err := errors.Join(err, os.RemoveAll(tmp)); err != nil {
		return "", err
	}
	return id, s.reindex()
}

// adopt puts an unpacked folder in its place, if it holds the run that its name says.
func (s *Store) adopt(folder, id string) error {
	if _, err := readRun(folder, id); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	err := os.Rename(folder, s.Dir(id))
	switch {
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("run %s: %w in %s; delete that one first", id, ErrExists, s.dir)
	case err != nil:
		return fmt.Errorf("results folder: %w", err)
	}
	return nil
}

// unpack writes an archive into a folder. All of it must lie in one folder named
// as a run; nothing but files and folders is taken, and nothing may lead outside.
func unpack(r io.Reader, into string) (id string, err error) {
	zipped, err := gzip.NewReader(r)
	if err != nil {
		return "", fmt.Errorf("archive: %w; want a .tar.gz that `analyzer runs export` wrote", err)
	}
	packed := tar.NewReader(zipped)
	for {
		h, err := packed.Next()
		if errors.Is(err, io.EOF) && id != "" {
			return id, nil
		} else if err != nil {
			return "", fmt.Errorf("archive: %w", noEOF(err))
		}
		first, _, _ := strings.Cut(h.Name, "/")
		switch {
		case !filepath.IsLocal(h.Name) || path.Clean(h.Name) != strings.TrimSuffix(h.Name, "/"):
			return "", fmt.Errorf("archive: %q leads outside the folder of the run", h.Name)
		case run.CheckID(first) != nil || id != "" && first != id:
			return "", fmt.Errorf("archive: %q does not lie in one folder named as a run", h.Name)
		}
		id = first
		if err := unpackOne(h, packed, filepath.Join(into, filepath.FromSlash(h.Name))); err != nil {
			return "", fmt.Errorf("archive: %s: %w", h.Name, noEOF(err))
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func unpackOne(h *tar.Header, r io.Reader, to string) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(to, 0o755)
	case tar.TypeReg:
	default:
		return errors.New("is neither a file nor a folder")
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, r, h.Size)
	return errors.Join(err, f.Close())
}

// Delete deletes a run with its recording, unless a baseline rests on it.
func (s *Store) Delete(id string) error {
	if _, err := s.Load(id); err != nil {
		return err
	}
	pins, err := s.Pins(context.Background())
	if err != nil {
		return err
	}
	if by := pins[id]; len(by) > 0 {
		return fmt.Errorf("run %s: the baseline %s rests on it; delete or change that first", id, strings.Join(by, ", "))
	}
	return s.remove(id)
}

// remove deletes a run: first its run.json, so that what is killed half way is no run any more.
func (s *Store) remove(id string) error {
	err := os.Remove(filepath.Join(s.Dir(id), runName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("run %s: %w", id, err)
	}
	if err := os.RemoveAll(s.Dir(id)); err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	if s.url == "" {
		return s.reindex()
	}
	return s.with(context.Background(), true, func(d *database) error { return d.deleteRun(context.Background(), d, id) })
}
