package main

import (
	"os"
	"path/filepath"
)

// files are what the generators are told to do.
var files = map[string]string{
	"get.yaml": `apiVersion: plumbline/v1
kind: Scenario
name: get
users:
  - {name: user, tasks: [{name: get, request: GET /, expect: {status: 200}}]}
`,
	"step.yaml": `apiVersion: plumbline/v1
kind: Scenario
name: step
data:
  items: {file: items.csv}
users:
  - name: user
    headers: {Authorization: "Bearer ${token}"}
    start: [{name: login, request: GET /, expect: {status: 200}, extract: {token: name}}]
    tasks:
      - name: step
        request: POST /items/${items.id}
        json: {item: "${items.name}", amount: 3, note: a note of some length}
        expect: {status: 200, within: 10s, body: {stock: {gte: 1}}}
`,
	"items.csv": "id,name\n1,hammer\n2,nail\n3,saw\n4,plane\n5,chisel\n6,file\n7,rasp\n",
	"think.yaml": `apiVersion: plumbline/v1
kind: Scenario
name: think
users:
  - {name: user, think: {between: [5s, 15s]}, tasks: [{name: get, request: GET /, expect: {status: 200}}]}
`,
	"profiles.yaml": `apiVersion: plumbline/v1
kind: Profiles
profiles:
  fifty:       {users: 50, spawn_rate: 1000, duration: 4s}
  few:         {users: 100, spawn_rate: 100, duration: 5s}
  many:        {users: 10000, spawn_rate: 1000, duration: 25s}
  minute:      {arrival_rate: 20000/s, duration: 1m, max_in_flight: 50}
  ten-minutes: {arrival_rate: 20000/s, duration: 10m, max_in_flight: 50}
  paced:       {arrival_rate: 2000/s, duration: 6s, max_in_flight: 50}
  stalled:     {arrival_rate: 2000/s, duration: 20s, max_in_flight: 50}
`,
}

func (h *harness) writeFiles() error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
