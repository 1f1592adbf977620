/** `GET /v1/models` and `/v1/models/{id}`: the models in OpenAI's form, with what each can do. */
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import type { EngineModel } from '../engine.js'

function modelObject({ id, created, loaded, vision, tiled, contextLength, hiddenSize }: EngineModel) {
  return {
    id,
    object: 'model',
    created,
    owned_by: 'xcomposer',
    capabilities: { completion: true, embedding: true, vision, tiles: tiled },
    context_length: contextLength,
    embedding_length: hiddenSize,
    loaded,
  }
}

export function listModels(c: RequestContext, { engine }: ServerContext): Response {
  return c.json({ object: 'list', data: engine.models.map(modelObject) })
}

export function oneModel(c: RequestContext, { engine }: ServerContext): Response {
  return c.json(modelObject(chosenModel(engine, c.req.param('id'))))
}
