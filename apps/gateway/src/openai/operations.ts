import { z } from 'zod';
import {
  chatBody,
  chatCompletion,
  deletedResponse,
  idempotencyKey,
  inputItemList,
  itemsQuery,
  modelList,
  modelResource,
  responseResource,
  responsesBody,
  retrievalQuery,
} from '#contracts';
import type { Operation } from '../openapi/operation.ts';
import { openAiErrors } from './errors.ts';

/** What the routes of these protocols say of themselves. */

const headers = z.object({ 'idempotency-key': idempotencyKey });

const params = {
  id: {
    description: 'The id of a response, or `resp_` for `run_` in that of a run.',
    example: 'resp_019c0d2f4a10a1b2c3d4e5f60718293a',
  },
};

const responseEvents = {
  type: 'text/event-stream',
  description: 'Where a stream was asked for: its events, with `sequence_number` from 0 without gaps.',
  example: 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"A lease"}\n\n',
} as const;

const chunks = {
  type: 'text/event-stream',
  description: 'Where a stream was asked for: chunks of the completion, then `[DONE]`.',
  example:
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"A"}}]}\n\ndata: [DONE]\n\n',
} as const;

export const createResponse: Operation = {
  summary: 'Start a run in the form of the Responses API',
  description: `Answered when the run has ended, at once with \`background\`, event by event with \`stream\`. A client that leaves
does not end the run. After 570 s the response is given as it is then.`,
  headers,
  body: responsesBody,
  answers: { 200: [responseResource, responseEvents] },
  faults: ['model_unavailable', 'idempotency_conflict'],
  errors: openAiErrors,
};

export const retrieveResponse: Operation = {
  summary: 'Look at a run as a response, or follow it',
  description: 'A stream begins behind `starting_after`, and is the same whenever and however often it is read.',
  params,
  query: retrievalQuery,
  answers: { 200: [responseResource, responseEvents] },
  errors: openAiErrors,
};

export const cancelResponse: Operation = {
  summary: 'Cancel a response',
  description: 'Given back as it is then: usually with the state `cancelled`.',
  params,
  answers: { 200: responseResource },
  faults: ['invalid_state'],
  errors: openAiErrors,
};

export const deleteResponse: Operation = {
  summary: 'Delete a response',
  description: 'The run behind it is gone, with its events and its report. One that has not ended is stopped.',
  params,
  answers: { 200: deletedResponse },
  errors: openAiErrors,
};

export const listInputItems: Operation = {
  summary: 'List what a response was asked with',
  params,
  query: itemsQuery,
  answers: { 200: inputItemList },
  errors: openAiErrors,
};

export const createCompletion: Operation = {
  summary: 'Ask a question in the form of chat completions',
  description: `Answered when the run has ended, or in pieces with \`stream\`. A client that leaves does not end the run. After
570 s the answer is \`deadline_exceeded\`, which names the response to read it from later.`,
  headers,
  body: chatBody,
  answers: { 200: [chatCompletion, chunks] },
  faults: ['model_unavailable', 'idempotency_conflict', 'run_failed'],
  errors: openAiErrors,
};

export const listModels: Operation = {
  summary: 'List the models that requests may name',
  answers: { 200: modelList },
  errors: openAiErrors,
};

export const retrieveModel: Operation = {
  summary: 'Look at a model',
  params: { id: { description: 'The name of a model.', example: 'writer' } },
  answers: { 200: modelResource },
  faults: ['model_unavailable'],
  errors: openAiErrors,
};
