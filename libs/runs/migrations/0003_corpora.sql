-- Folders that clients uploaded, and the search indexes that were made of them.

-- Bytes in parts of at most 1 MiB. What is not settled belongs to an upload under way, or to one that broke off.
CREATE TABLE argosy.contents (
  tenant_id  text NOT NULL,
  content_id text NOT NULL,
  settled    boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, content_id)
);
CREATE INDEX contents_unsettled ON argosy.contents (created_at) WHERE NOT settled;

CREATE TABLE argosy.content_parts (
  tenant_id  text NOT NULL,
  content_id text NOT NULL,
  part       integer NOT NULL,
  data       bytea NOT NULL,
  PRIMARY KEY (tenant_id, content_id, part),
  FOREIGN KEY (tenant_id, content_id) REFERENCES argosy.contents ON DELETE CASCADE
);

-- Uploaded files by the sha256 of their bytes, each stored once for each tenant.
CREATE TABLE argosy.files (
  tenant_id  text NOT NULL,
  sha256     text NOT NULL,
  bytes      integer NOT NULL,
  content_id text NOT NULL,
  PRIMARY KEY (tenant_id, sha256),
  FOREIGN KEY (tenant_id, content_id) REFERENCES argosy.contents
);

-- A corpus never changes: its id is a hash of its name and files. Its index is built by a tool worker, whose fence is
-- (worker_id, attempt, state = 'indexing').
CREATE TABLE argosy.corpora (
  tenant_id      text NOT NULL,
  corpus_id      text NOT NULL,
  name           text NOT NULL,
  files          integer NOT NULL,
  bytes          bigint NOT NULL,
  state          text NOT NULL DEFAULT 'uploading' CHECK (state IN ('uploading', 'indexing', 'ready', 'failed')),
  attempt        integer NOT NULL DEFAULT 0,
  worker_id      text,
  -- Attempts whose worker died or failed: what tells a corpus that kills its workers.
  lost           integer NOT NULL DEFAULT 0,
  rings          integer NOT NULL DEFAULT 0,
  rung_at        timestamptz,
  started_at     timestamptz,
  ready_at       timestamptz,
  error          text,
  -- The index: an immutable SQLite file of one format. Built anew where a release needs another format.
  segment_id     text,
  segment_sha256 text,
  format         integer,
  documents      integer,
  passages       integer,
  skipped        integer,
  skips          jsonb NOT NULL DEFAULT '[]',
  created_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, corpus_id),
  FOREIGN KEY (tenant_id, segment_id) REFERENCES argosy.contents (tenant_id, content_id)
);
CREATE INDEX corpora_unfinished ON argosy.corpora (rung_at) WHERE state = 'indexing';

CREATE TABLE argosy.corpus_files (
  tenant_id text NOT NULL,
  corpus_id text NOT NULL,
  path      text NOT NULL,
  sha256    text NOT NULL,
  bytes     integer NOT NULL,
  PRIMARY KEY (tenant_id, corpus_id, path),
  FOREIGN KEY (tenant_id, corpus_id) REFERENCES argosy.corpora ON DELETE CASCADE
);
CREATE INDEX corpus_files_by_hash ON argosy.corpus_files (tenant_id, sha256);
