// Package doctest holds the documents to what the programs do: it runs the
// console blocks of Markdown files, and checks the commands of the others
// against the help of the programs and the targets of the Makefile.
//
//	```console          every line after "$ " runs, in order, and the block exits 0
//	```console exit=1   … exits 1, with its last command
//	```sh               nothing runs; analyzer, loadgen and make lines must name what there is
//
// A line that ends in a backslash goes on in the next one. A make line runs
// nowhere. Lines of a console block that begin otherwise are output.
package doctest

import (
	"fmt"
	"strconv"
	"strings"
)

// A Block is a fenced block of commands.
type Block struct {
	File     string
	Line     int  // of the fence
	Runs     bool // a console block
	Exit     int  // the exit code that it should have
	Commands []Command
}

// A Command is a command line as it stands in a document, continuations joined.
type Command struct {
	Line int
	Text string
}

// Blocks reads the blocks of commands out of a Markdown file. Blocks of other
// languages are left out.
func Blocks(file, markdown string) ([]Block, error) {
	var blocks []Block
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); i++ {
		fence, info, ok := opening(lines[i])
		if !ok {
			continue
		}
		from := i + 1
		for i++; i < len(lines) && !closes(lines[i], fence); i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("%s:%d: block %s is never closed", file, from, fence)
		}
		b := Block{File: file, Line: from}
		switch wanted, err := b.read(info); {
		case err != nil:
			return nil, fmt.Errorf("%s:%d: %w", file, from, err)
		case wanted:
			b.Commands = commands(lines[from:i], from+1, b.Runs)
			blocks = append(blocks, b)
		}
	}
	return blocks, nil
}

// opening takes "```console exit=1" apart.
func opening(line string) (fence, info string, ok bool) {
	line = strings.TrimSpace(line)
	n := len(line) - len(strings.TrimLeft(line, "`"))
	return line[:n], strings.TrimSpace(line[n:]), n >= 3
}

func closes(line, fence string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, fence) && strings.Trim(line, "`") == ""
}

// read reads what stands after the fence; false means a block of something else.
func (b *Block) read(info string) (bool, error) {
	words := strings.Fields(info)
	if len(words) == 0 {
		return false, nil
	}
	language, options := words[0], words[1:]
	switch language {
	case "sh", "bash", "shell":
		return true, nil
	case "console":
		b.Runs = true
	default:
		return false, nil
	}
	for _, o := range options {
		code, ok := strings.CutPrefix(o, "exit=")
		n, err := strconv.Atoi(code)
		if !ok || err != nil || n < 0 || n > 255 {
			return false, fmt.Errorf("console block: option %q: want exit=CODE", o)
		}
		b.Exit = n
	}
	return true, nil
}

// commands joins continued lines; of a console block, only what stands after
// the prompt is one.
func commands(lines []string, first int, prompted bool) []Command {
	var all []Command
	for i := 0; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i])
		if prompted {
			var ok bool
			if text, ok = strings.CutPrefix(text, "$ "); !ok {
				continue
			}
		}
		c := Command{Line: first + i, Text: text}
		for strings.HasSuffix(c.Text, `\`) && i+1 < len(lines) {
			i++
			next := strings.TrimSpace(lines[i])
			if prompted {
				next = strings.TrimPrefix(next, "> ")
			}
			c.Text = strings.TrimSuffix(c.Text, `\`) + next
		}
		if c.Text != "" && !strings.HasPrefix(c.Text, "#") {
			all = append(all, c)
		}
	}
	return all
}
