-- Times are nanoseconds since 1970; NULL is no data. Both SQLite and PostgreSQL run this.
CREATE TABLE runs (
  id           TEXT   PRIMARY KEY,
  service      TEXT   NOT NULL,
  scenario     TEXT   NOT NULL,
  profile      TEXT   NOT NULL,
  labels       TEXT   NOT NULL, -- JSON object
  started      BIGINT NOT NULL,
  ended        BIGINT NOT NULL,
  state        TEXT   NOT NULL,
  sound        BIGINT NOT NULL, -- 1: complete, and its load generators were valid
  repeat_group TEXT   NOT NULL,
  document     TEXT   NOT NULL, -- run.json
  modified     BIGINT NOT NULL  -- of run.json
);

CREATE INDEX runs_of_a_test ON runs (service, scenario, profile, started);

CREATE TABLE objective_values (
  run_id     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  objective  TEXT NOT NULL,
  definition TEXT NOT NULL, -- of what was measured
  value      DOUBLE PRECISION,
  events     DOUBLE PRECISION NOT NULL,
  total      DOUBLE PRECISION NOT NULL,
  dispersion DOUBLE PRECISION NOT NULL,
  coverage   DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (run_id, objective)
);

CREATE INDEX values_of_an_objective ON objective_values (objective, run_id);

CREATE TABLE interval_samples (
  run_id    TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  objective TEXT NOT NULL,
  step      DOUBLE PRECISION NOT NULL, -- seconds
  samples   TEXT NOT NULL,             -- JSON array, null for no data
  PRIMARY KEY (run_id, objective)
);

CREATE TABLE reports (
  run_id    TEXT   PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  verdict   TEXT   NOT NULL,
  generated BIGINT NOT NULL,
  document  TEXT   NOT NULL -- report.json without its charts
);

CREATE TABLE baselines (
  name     TEXT   PRIMARY KEY,
  document TEXT   NOT NULL, -- YAML
  modified BIGINT NOT NULL
);

CREATE TABLE calibrations (
  name     TEXT   PRIMARY KEY,
  document TEXT   NOT NULL, -- JSON
  modified BIGINT NOT NULL
);
