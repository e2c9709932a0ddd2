/** After the integration tests. */
// biome-ignore lint/style/noDefaultExport: jest asks for it
export default async function down() {
  await globalThis.integrationServers.stop();
}
