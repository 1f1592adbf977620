import { describe, expect, it } from 'vitest'
import { branchTo, newestLeaf, versionsOf } from './branch.js'

const message = (id: string, parent: string | null, role = 'user') => ({ id, parent, role })
const tree = [
  message('q1', null),
  message('a1', 'q1', 'assistant'),
  message('a2', 'q1', 'assistant'),
  message('q2', 'a1'),
  message('b1', 'q2', 'assistant'),
  message('q3', 'a1'),
]
const ids = (messages: readonly { id: string }[]) => messages.map(({ id }) => id)

describe('the tree of messages', () => {
  it('has one branch to each leaf', () => {
    expect(ids(branchTo(tree, 'b1'))).toEqual(['q1', 'a1', 'q2', 'b1'])
    expect(ids(branchTo(tree, 'a2'))).toEqual(['q1', 'a2'])
    expect(branchTo(tree, null)).toEqual([])
    expect(branchTo(tree, 'gone')).toEqual([])
  })

  it('has versions where messages share a parent', () => {
    expect(ids(versionsOf(tree, tree[1] as (typeof tree)[0]))).toEqual(['a1', 'a2'])
    expect(ids(versionsOf(tree, tree[5] as (typeof tree)[0]))).toEqual(['q2', 'q3'])
    expect(ids(versionsOf(tree, tree[0] as (typeof tree)[0]))).toEqual(['q1'])
  })

  it('is followed to the newest end', () => {
    expect(newestLeaf(tree, 'q1')).toBe('a2')
    expect(newestLeaf(tree, 'a1')).toBe('q3')
    expect(newestLeaf(tree, 'q2')).toBe('b1')
    expect(newestLeaf(tree, 'b1')).toBe('b1')
  })

  it('ends where it is broken', () => {
    const loop = [message('x', 'y'), message('y', 'x')]
    expect(ids(branchTo(loop, 'x'))).toEqual(['y', 'x'])
    expect(newestLeaf(loop, 'x')).toBe('y')
  })
})
