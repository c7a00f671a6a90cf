import { cdc } from './cdc.js'
import { contactSync } from './contact-sync.js'
import type { Contract, Entity } from './contract.js'
import { dataAction } from './data-action.js'
import { interactionUpdate } from './interaction-update.js'
import { validated } from './validated.js'

/** Every contract that this version supports. */
export const CONTRACTS: readonly Contract[] = [cdc, contactSync, dataAction, interactionUpdate, validated]

/** Every entity of the contracts. */
export const ENTITIES: readonly Entity[] = CONTRACTS.flatMap((contract) => contract.entities)
