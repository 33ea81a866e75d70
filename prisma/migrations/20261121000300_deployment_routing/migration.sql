-- How calls are spread over the deployments of a model, and the other names of a model.
ALTER TABLE "control"."models" ADD COLUMN "aliases" TEXT[] DEFAULT ARRAY[]::TEXT[];
ALTER TABLE "control"."deployments"
  ADD COLUMN "priority" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "weight" INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN "concurrency_max" INTEGER,
  ADD COLUMN "queue_max" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "api_version" TEXT;

-- From here on by hand: what the models cannot say.
ALTER TABLE "control"."models" ADD CHECK (aliases IS NOT NULL);
ALTER TABLE "control"."deployments"
  ADD CHECK (priority >= 0),
  ADD CHECK (weight BETWEEN 0 AND 1000000),
  ADD CHECK (concurrency_max > 0),
  ADD CHECK (queue_max >= 0);

-- The control plane writes what a catalogue file declares. A model is retired and never deleted: keys and books name it.
GRANT INSERT, UPDATE ON "control"."models" TO control_app;
GRANT INSERT, UPDATE, DELETE ON "control"."deployments" TO control_app;
