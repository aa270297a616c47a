/** What the shop sells. */
export interface Product {
  id: string;
  name: string;
  /** Whole fen. */
  price: number;
}

export const PRODUCTS: readonly Product[] = [
  { id: 'americano', name: '美式咖啡', price: 1800 },
  { id: 'latte', name: '拿铁', price: 2200 },
  { id: 'flat-white', name: '澳白', price: 2400 },
];

export const PRODUCT_IDS = PRODUCTS.map(({ id }) => id);

export const MAX_QUANTITY = 99;
