import { cdc } from './cdc.js'
import { contactSync } from './contact-sync.js'
import type { Contract, Entity } from './contract.js'
import { dataAction } from './data-action.js'

/** Every contract that this version speaks. */
export const CONTRACTS: readonly Contract[] = [cdc, contactSync, dataAction]

/** Every kind of thing that the contracts speak of. */
export const ENTITIES: readonly Entity[] = CONTRACTS.flatMap((contract) => contract.entities)
