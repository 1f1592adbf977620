/** The objectives by name, and which of them a stage has. A new one is a file beside this and a line here. */
import type { Stage } from '../recipe.js'
import { align } from './align.js'
import { classify } from './classify.js'
import { nextToken } from './next-token.js'
import type { Objective, ObjectiveSetup } from './objective.js'

const objectives = { 'next-token': nextToken, classify, align } satisfies Record<string, (setup: ObjectiveSetup) => Objective>

const objectiveOfStage: Readonly<Record<Stage, keyof typeof objectives>> = {
  language: 'next-token',
  vision: 'classify',
  align: 'align',
  pretrain: 'next-token',
  sft: 'next-token',
}

/** @throws InputError when the data or the model do not have what the objective learns from */
export function createObjective(stage: Stage, setup: ObjectiveSetup): Objective {
  return objectives[objectiveOfStage[stage]](setup)
}
