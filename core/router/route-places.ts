// Who gets a place among the routes. What anybody may send does not keep out a stream that is wanted.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import type { RouterDrop } from "./options.ts";
import type { MulticastRoutes, RouteEffect } from "./routes.ts";

/** How many places there are. */
export interface PlaceOptions {
  /** In all. */
  readonly maxRoutes: number;
  /** Of one sender behind a downstream, for what nobody here receives. */
  readonly maxRoutesPerSource: number;
}

/** A route that asks for a place. */
export interface NewRoute<A extends Address = Ipv4> {
  readonly route: MulticastRoute<A>;
  /** Somebody here would receive by it. */
  readonly isWanted: boolean;
  /** Its packet came in from a downstream. */
  readonly isFromBelow: boolean;
  /** Where its packet came in, if its source may not send there. */
  readonly foreign: string | undefined;
}

/** Of one router's routes. */
export class RoutePlaces<A extends Address = Ipv4> {
  readonly #routes: MulticastRoutes<A>;
  readonly #perSource: number;
  /** Foreign routes that were heard on one interface. */
  readonly #perForeignSide: number;

  constructor(routes: MulticastRoutes<A>, { maxRoutes, maxRoutesPerSource }: PlaceOptions) {
    this.#routes = routes;
    this.#perSource = maxRoutesPerSource;
    this.#perForeignSide = Math.ceil(maxRoutes / 2);
  }

  /** Takes out the route whose place this one gets, if any has to go; or the reason why it gets none. */
  take(one: NewRoute<A>): readonly RouteEffect<A>[] | RouterDrop {
    const excess = one.isWanted ? undefined : this.#excess(one);
    if (excess !== undefined) return excess;
    const removed = this.#makeRoom(one);
    return this.#routes.full ? "router.too-many-routes" : removed;
  }

  /** Why a route by which nobody here would receive is one too many: one sender, or one that invents sources, gets so many. */
  #excess({ route: { source, inbound }, isFromBelow, foreign }: NewRoute<A>): RouterDrop | undefined {
    if (foreign !== undefined)
      return this.#routes.foreignOn(foreign) < this.#perForeignSide ? undefined : "router.too-many-foreign-routes";
    const isTooMany = isFromBelow && this.#routes.unwantedOf(source, inbound) >= this.#perSource;
    return isTooMany ? "router.too-many-routes-of-source" : undefined;
  }

  /**
   * First those go that came in where they may not, then those that nobody here wants, then one of those that have the most company, as
   * a sender can invent sources of its own network too. By a foreign one only what is no better than itself goes.
   */
  #makeRoom({ route, isWanted, foreign }: NewRoute<A>): readonly RouteEffect<A>[] {
    if (foreign !== undefined && this.#routes.foreignOn(foreign) >= this.#perForeignSide)
      return this.#routes.removeForeign(foreign);
    if (!this.#routes.full) return [];
    if (!isWanted) return foreign === undefined ? this.#routes.removeForeign() : [];
    const removed = either(this.#routes.removeForeign(), () => this.#routes.removeIdlest());
    return foreign === undefined ? either(removed, () => this.#routes.removeFromCrowd(route)) : removed;
  }
}

const either = <A extends Address>(
  removed: readonly RouteEffect<A>[],
  otherwise: () => readonly RouteEffect<A>[],
): readonly RouteEffect<A>[] => (removed.length > 0 ? removed : otherwise());
