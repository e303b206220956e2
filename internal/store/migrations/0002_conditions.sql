-- What must be the same in runs that are compared: a JSON object, put in from the documents.
ALTER TABLE runs ADD COLUMN conditions TEXT NOT NULL DEFAULT '';
