import { Command } from 'commander'
import { CONTRACTS } from '../../schemas/index.js'
import { environment, readConfig, schemesOf } from '../config.js'
import { describeApi } from '../edge/openapi/document.js'

/** `tributary openapi`: describes the edge's requests and answers for tools. */
export function openapiCommand(): Command {
  return new Command('openapi')
    .description('Print the OpenAPI 3.1 description of the edge')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary openapi > tributary.json
  $ CDC_AUTH=bearer tributary openapi | jq .components.securitySchemes
  $ curl localhost:9090/openapi.json    the same, from the admin port of a running edge

It describes the edge with the present configuration. It needs no secrets and shows none.`,
    )
    .action(() => {
      const config = readConfig(environment())
      const contracts = CONTRACTS.map((contract) => ({
        contract,
        schemes: schemesOf(config, contract),
      }))
      process.stdout.write(`${JSON.stringify(describeApi(contracts, config.PORT), null, 2)}\n`)
    })
}
