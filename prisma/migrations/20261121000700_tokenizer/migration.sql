-- The tokenizer that all deployments of a model are known to use: near a limit gateways count with it instead of bounding by bytes.
ALTER TABLE "control"."models" ADD COLUMN "tokenizer" TEXT;
