// Creates an image through the gateway with @grpc/grpc-js, and waits for it at the gateway.
//
// GATEWAY is the address of the gRPC listener, CA the file of the authority that signed its certificate, TOKEN a token
// for `authorization`. PROTOS is a list of folders with the .proto files of the API, separated by `:`.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const { GATEWAY, CA, TOKEN, PROTOS } = process.env;
const [name, uri] = process.argv.slice(2);

const definition = protoLoader.loadSync(
  ["yandex/cloud/baremetal/v1alpha/image_service.proto", "baremetal_gateway/v1/operations.proto"],
  { includeDirs: PROTOS.split(":"), longs: String, enums: String },
);
const api = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createSsl(readFileSync(CA));
const images = new api.yandex.cloud.baremetal.v1alpha.ImageService(GATEWAY, credentials);
const operations = new api.baremetal_gateway.v1.Operations(GATEWAY, credentials);

const call = (client, method, request) =>
  new Promise((resolve, reject) => {
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${TOKEN}`);
    client[method](request, metadata, (error, reply) => (error ? reject(error) : resolve(reply)));
  });

try {
  const created = await call(images, "create", {
    folderId: "b1gexample",
    name,
    uri,
    labels: { env: "dev", owner: "infra", "cost-center": "cc-42" },
  });
  const done = await call(operations, "wait", { operationId: created.id, timeout: { seconds: 60 } });
  console.log(done.id, done.done ? "done" : "not done");
} catch (error) {
  // The details of a denial are in error.metadata, as google.rpc.Status in grpc-status-details-bin.
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
}
